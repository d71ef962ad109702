//! UNION, UNION ALL, EXCEPT and INTERSECT.

use super::super::expression::{Node, form, leaf, list, value};
use super::Writer;
use super::cells::Kind;
use super::relation::Outputs;
use super::scene::{Place, Relation};

/// What all arms have in one column.
#[derive(Debug, Clone, Copy)]
struct Column {
    kind: Kind,
    /// Whether it is a column as it is, or an expression over one.
    bare: bool,
}

const OPERATORS: [&str; 7] =
    [" UNION ALL ", " UNION ALL ", " UNION ALL ", " UNION ", " UNION ", " EXCEPT ", " INTERSECT "];

impl Writer<'_> {
    /// A compound by itself, with the number of its columns.
    pub(super) fn compound(&mut self) -> (Node, usize) {
        if self.is_local() {
            return self.local_compound();
        }
        let columns = self.compound_columns();
        (self.arms(&columns, 2), columns.len())
    }

    /// As shards may answer it: one operator, and each arm holds the shard key where rows are compared.
    fn local_compound(&mut self) -> (Node, usize) {
        let op = *self.random.pick(&OPERATORS);
        let columns = self.compound_columns();
        let arms: Vec<Node> = (0..2 + self.random.below(2))
            .map(|_| {
                self.over(Vec::new(), |writer| {
                    let from = writer.from(0);
                    let mut outputs = Vec::new();
                    if op != " UNION ALL " {
                        outputs.push(leaf(writer.key_column().unwrap_or("1".into())));
                    }
                    outputs.extend(columns.iter().map(|column| writer.of_column(*column)));
                    writer.select_alone("SELECT ", outputs, from, vec![])
                })
            })
            .collect();
        (list("", op, 1, arms), columns.len())
    }

    pub(super) fn relation_of_compound(&mut self, depth: usize) -> (Node, Relation) {
        let columns = self.compound_columns();
        let mut outputs = Outputs::default();
        let names: Vec<(String, Kind)> = columns
            .iter()
            .map(|column| {
                let kind = if column.bare { column.kind } else { Kind::Any };
                (outputs.add("u", kind, leaf("1")), kind)
            })
            .collect();
        let body = self.arms(&columns, depth);
        let name = self.name();
        let listed: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let query = form(format!("WITH {name}({}) AS ({{}}) SELECT * FROM {name}", listed.join(", ")), vec![body]);
        let relation = Relation {
            name: String::new(),
            columns: names,
            unique: None,
            place: Place::Composed,
            rows: 40,
            has_rowid: false,
        };
        (query, relation)
    }

    fn compound_columns(&mut self) -> Vec<Column> {
        let kinds = [Kind::Integer, Kind::Text, Kind::Key, Kind::Mixed, Kind::Real, Kind::Integer];
        let column = |writer: &mut Self| {
            let bare = writer.random.percent(60);
            let kind = *writer.random.pick(if bare { &kinds } else { &kinds[..2] });
            Column { kind, bare }
        };
        (0..1 + self.random.below(3)).map(|_| column(self)).collect()
    }

    /// Arms and operators; arms may be compounds themselves.
    fn arms(&mut self, columns: &[Column], depth: usize) -> Node {
        let mut query = self.arm(columns, depth);
        for _ in 0..1 + self.random.below(2) {
            let op = *self.random.pick(&OPERATORS);
            let arm = self.arm(columns, depth);
            query = list("", op, 1, vec![query, arm]);
        }
        query
    }

    fn arm(&mut self, columns: &[Column], depth: usize) -> Node {
        if depth > 0 && self.random.percent(20) {
            let nested = self.arms(columns, depth - 1);
            let limit = *self.random.pick(&["", "", " ORDER BY 1", " LIMIT 1000000"]);
            return form(format!("SELECT * FROM ({{}}{limit})"), vec![nested]);
        }
        if self.random.percent(8) && columns.iter().all(|column| matches!(column.kind, Kind::Integer | Kind::Text)) {
            let row = |index: usize| {
                let cell = |column: &Column| match column.kind {
                    Kind::Integer => leaf((index * 2).to_string()),
                    _ => leaf(["'a'", "'B'", "'ab'"][index]),
                };
                form("({})", vec![list("", ", ", columns.len(), columns.iter().map(cell).collect())])
            };
            // An ORDER BY or a LIMIT may follow a SELECT alone.
            return form("SELECT * FROM ({})", vec![list("VALUES ", ", ", 1, (0..3).map(row).collect())]);
        }
        self.over(Vec::new(), |writer| {
            let from = writer.from(depth.min(1));
            let outputs: Vec<Node> = columns.iter().map(|column| writer.of_column(*column)).collect();
            if writer.random.percent(75) {
                return writer.select_alone("SELECT ", outputs, from, vec![]);
            }
            // In a subquery: SQLite loses rows of `A UNION B UNION ALL SELECT DISTINCT ... ORDER BY 1 COLLATE NOCASE`.
            form("SELECT * FROM ({})", vec![writer.select_alone("SELECT DISTINCT ", outputs, from, vec![])])
        })
    }

    fn of_column(&mut self, column: Column) -> Node {
        if column.bare {
            let known = self.only_own(|writer| writer.pick_column(&[column.kind]));
            return known.map_or(leaf("NULL"), |(column, _)| leaf(column));
        }
        match column.kind {
            Kind::Integer => value("({} + 1)", vec![self.clean_number()]),
            _ => value("typeof({})", vec![leaf(self.any_clean_column())]),
        }
    }
}
