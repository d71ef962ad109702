//! FROM clauses of every kind.

use super::super::expression::{Node, form, leaf, list};
use super::cells::Kind;
use super::scene::Place;
use super::scope::Source;
use super::{Mode, Writer};

/// Pairs of a join that nothing narrows, at most.
const PAIRS_MAX: usize = 400;

/// A FROM clause.
pub(super) struct Clause {
    pub(super) node: Node,
    /// Conditions that keep to one shard key.
    pub(super) pins: Vec<Node>,
}

impl Clause {
    pub(super) fn of(node: Node) -> Clause {
        Clause { node, pins: Vec::new() }
    }
}

/// One thing in a FROM clause.
struct Item {
    node: Node,
    source: Source,
    /// It reads what stands to its left.
    lateral: bool,
    pin: Option<Node>,
}

impl Writer<'_> {
    /// Sets the sources of the SELECT and gives the FROM clause over them.
    pub(super) fn from(&mut self, depth: usize) -> Clause {
        if self.is_local() {
            return self.local_from();
        }
        let count = [1, 1, 1, 2, 2, 3][self.random.below(6)];
        let first = self.item(depth);
        let mut pins: Vec<Node> = first.pin.into_iter().collect();
        let mut nodes = vec![first.node];
        let mut outer_only_left = first.lateral;
        self.add_source(first.source);
        for index in 1..count {
            let item = self.item(depth);
            outer_only_left |= item.lateral;
            let (pin, alias) = (item.pin.clone(), item.source.alias.clone());
            nodes.push(self.joined(item, outer_only_left, index + 1 == count));
            if self.own().iter().any(|source| source.alias == alias) {
                pins.extend(pin);
            }
        }
        Clause { node: list("", "", 1, nodes), pins }
    }

    fn add_source(&mut self, source: Source) {
        self.scopes.last_mut().expect("a SELECT is being written").push(source);
    }

    /// Something to read.
    fn item(&mut self, depth: usize) -> Item {
        let pinned = matches!(self.mode, Mode::Pinned(_));
        match self.random.below(20) {
            0 if depth > 0 || !self.own().is_empty() => self.json_item(),
            1 => self.values_item(),
            2..5 if depth > 0 => self.derived_item(depth),
            5 | 6 if !pinned => self.relation_item(Place::Composed),
            7 | 8 => self.relation_item(Place::Replicated),
            9 if !pinned => self.relation_item(Place::ShardedOtherwise),
            10..14 if !self.ctes.is_empty() => self.cte_item(),
            _ => self.relation_item(Place::Sharded),
        }
    }

    fn relation_item(&mut self, place: Place) -> Item {
        let all: Vec<usize> =
            (0..self.scene.relations.len()).filter(|index| self.scene.relations[*index].place == place).collect();
        let scene = self.scene;
        let relation = &scene.relations[*self.random.pick(&all)];
        let alias = self.name();
        let source = Source::new(relation, &alias);
        let pin = match (&self.mode, place) {
            (Mode::Pinned(key), Place::Sharded) => Some(form(format!("{alias}.k = {{}}"), vec![key.clone()])),
            _ => None,
        };
        // A WITH table of the same name would stand before it.
        let schema = if self.hidden.contains(&relation.name) { "main." } else { "" };
        Item { node: leaf(format!("{schema}{} AS {alias}", relation.name)), source, lateral: false, pin }
    }

    fn cte_item(&mut self) -> Item {
        let cte = self.random.pick(&self.ctes).clone();
        let alias = self.name();
        let source = Source::new(&cte, &alias);
        Item { node: leaf(format!("{} AS {alias}", cte.name)), source, lateral: false, pin: None }
    }

    fn json_item(&mut self) -> Item {
        let (call, relation) = self.json_table();
        let alias = self.name();
        let source = Source::new(&relation, &alias);
        Item { node: leaf(format!("{call} AS {alias}")), source, lateral: true, pin: None }
    }

    fn values_item(&mut self) -> Item {
        let alias = self.name();
        let mut rows: Vec<Node> = (0..1 + self.random.below(4))
            .map(|index| leaf(format!("({}, '{}')", index as i64 * 2 - 1, ["a", "B", "12", "b"][index])))
            .collect();
        if self.random.percent(30) {
            rows.push(leaf("(NULL, 'a')"));
        }
        let source = Source {
            alias: alias.clone(),
            columns: vec![("column1".into(), Kind::Integer), ("column2".into(), Kind::Text)],
            unique: Some(vec!["column1".into()]),
            rows: rows.len(),
            has_rowid: false,
        };
        let node = form(format!("({{}}) AS {alias}"), vec![list("VALUES ", ", ", 1, rows)]);
        Item { node, source, lateral: false, pin: None }
    }

    /// A derived table. It does not see its siblings.
    fn derived_item(&mut self, depth: usize) -> Item {
        let (query, relation) = self.over(Vec::new(), |writer| writer.relation(depth - 1));
        let alias = self.name();
        let source = Source::new(&relation, &alias);
        Item { node: form(format!("({{}}) AS {alias}"), vec![query]), source, lateral: false, pin: None }
    }

    /// Joins an item to what is there.
    fn joined(&mut self, item: Item, outer_only_left: bool, is_last: bool) -> Node {
        let Item { node, source, lateral, .. } = item;
        let rows: usize = self.own().iter().map(|source| source.rows.max(1)).product();
        let kind = match self.random.below(10) {
            0 | 1 => " LEFT JOIN ",
            2 if !outer_only_left => " RIGHT JOIN ",
            3 if !outer_only_left => " FULL JOIN ",
            _ => " JOIN ",
        };
        let alone = rows * source.rows <= PAIRS_MAX || lateral;
        if alone && (lateral || self.random.percent(25)) {
            let verb = *self.random.pick(&[", ", " CROSS JOIN ", " JOIN "]);
            self.add_source(source);
            return form(format!("{verb}{{}}"), vec![node]);
        }
        let shared = self.shared_columns(&source);
        if is_last && !shared.is_empty() && self.random.percent(20) {
            return self.join_using(kind, node, source, shared);
        }
        if alone && self.random.percent(8) {
            return self.joined_in_parentheses(kind, node, source);
        }
        let on = match self.equality(&source) {
            Some(on) => on,
            None if alone => leaf("1"),
            None => return leaf(""),
        };
        self.add_source(source);
        let more = self.more_on();
        form(format!("{kind}{{}} ON {{}}{{}}"), vec![node, on, more])
    }

    /// `... JOIN (item JOIN r ON ...) ON ...`
    fn joined_in_parentheses(&mut self, kind: &str, node: Node, source: Source) -> Node {
        let alias = self.name();
        let inner = *self.random.pick(&["JOIN", "LEFT JOIN", ","]);
        let own = std::mem::take(self.scopes.last_mut().expect("a SELECT is being written"));
        self.add_source(source);
        let r = self.table("r", &alias);
        let on = self.equality(&r);
        let on = if inner == "," { leaf("") } else { form(" ON {}", vec![on.unwrap_or_else(|| leaf("1"))]) };
        let pair = self.scopes.last_mut().map(std::mem::take).unwrap_or_default();
        self.scopes.last_mut().expect("a SELECT is being written").extend(own);
        let outer = self.equality(&pair[0]).unwrap_or_else(|| leaf("1"));
        pair.into_iter().chain([r]).for_each(|source| self.add_source(source));
        let r = if self.hidden.iter().any(|hidden| hidden == "r") { "main.r" } else { "r" };
        form(format!("{kind}({{}} {inner} {r} AS {alias}{{}}) ON {{}}"), vec![node, on, outer])
    }

    /// Columns that one source has and the new one too, of the same kind; none when one source more has them.
    fn shared_columns(&self, new: &Source) -> Vec<(String, Kind)> {
        let is_shared = |(name, kind): &&(String, Kind)| {
            let with: Vec<&Source> = self.own().iter().filter(|source| source.has(name)).collect();
            with.len() == 1 && with[0].columns.contains(&(name.clone(), *kind))
        };
        new.columns.iter().filter(is_shared).cloned().collect()
    }

    /// USING, or NATURAL when few columns are the same by name.
    fn join_using(&mut self, kind: &str, node: Node, new: Source, shared: Vec<(String, Kind)>) -> Node {
        let names_of_left = |name: &String| self.own().iter().any(|source| source.has(name));
        let by_name = new.columns.iter().filter(|(name, _)| names_of_left(name)).count();
        let natural = by_name == shared.len() && shared.len() <= 2;
        let using = match natural {
            true => shared,
            false => vec![self.random.pick(&shared).clone()],
        };
        let names: Vec<&str> = using.iter().map(|(name, _)| name.as_str()).collect();
        let text = match natural {
            true => format!(" NATURAL{kind}{{}}"),
            false => format!("{kind}{{}} USING ({})", names.join(", ")),
        };
        self.add_source(new);
        self.add_source(Source { alias: String::new(), columns: using, unique: None, rows: 1, has_rowid: false });
        form(text, vec![node])
    }

    /// An equality of a column of the new source with one that is there.
    fn equality(&mut self, new: &Source) -> Option<Node> {
        const PAIRS: [&[Kind]; 4] = [
            &[Kind::Key, Kind::OtherKey],
            &[Kind::Integer, Kind::Number, Kind::Mixed],
            &[Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Folded],
            &[Kind::Integer, Kind::Real],
        ];
        let kinds = PAIRS[[0, 0, 1, 1, 1, 2, 2, 3][self.random.below(8)]];
        let fits = |(_, kind): &&(String, Kind)| kinds.contains(kind);
        let all: Vec<(String, Kind)> =
            new.columns.iter().filter(fits).map(|(name, kind)| (new.column(name), *kind)).collect();
        let (there, kind_there) = self.only_own(|writer| writer.pick_column(kinds))?;
        if all.is_empty() {
            return None;
        }
        let (here, kind_here) = self.random.pick(&all).clone();
        let compare = *self.random.pick(&["=", "=", "=", "IS", "="]);
        // The left side's collation compares: a text that stands for others must not meet another one.
        let here_first = self.random.percent(50) && kind_there != Kind::Folded || kind_here == Kind::Folded;
        Some(match here_first {
            true => leaf(format!("{here} {compare} {there}")),
            false => leaf(format!("{there} {compare} {here}")),
        })
    }
}
