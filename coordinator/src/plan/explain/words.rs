//! Merges, tables and conditions in words.

use std::fmt::{self, Display, Formatter};

use souk_merge::{Collation, Finish, MergeSpec, SortKey, StateKind};

use super::super::{Cell, Fill, ScratchColumn, ScratchTable};

/// How rows of shards become one.
pub(super) struct Merge<'a> {
    pub(super) spec: &'a MergeSpec,
    /// Of the first columns, where they have any.
    pub(super) names: &'a [&'a str],
}

impl Display for Merge<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.spec {
            MergeSpec::Rows { order, limit } => {
                match order.is_empty() {
                    true => f.write_str("concatenated")?,
                    false => write!(f, "ordered by {}", list(order, |key| self.key(key)))?,
                }
                limit.map_or(Ok(()), |limit| write!(f, ", the first {limit} rows"))
            }
            MergeSpec::Groups { keys, states } => {
                match keys.len() {
                    0 => f.write_str("one group")?,
                    1 => write!(f, "groups by 1 key{}", collated(keys[0]))?,
                    count => write!(f, "groups by {count} keys ({})", list(keys, |key| key.name().to_owned()))?,
                }
                if states.is_empty() { Ok(()) } else { write!(f, "; states: {}", list(states, |kind| state(*kind))) }
            }
        }
    }
}

impl Merge<'_> {
    fn key(&self, key: &SortKey) -> String {
        let SortKey { column, descending, nulls_last, collation } = key;
        let name = match self.names.get(*column) {
            Some(name) => format!("column {} ({name})", column + 1),
            None => format!("column {}", column + 1),
        };
        let nulls = match (nulls_last == descending, nulls_last) {
            (true, _) => "",
            (false, true) => " NULLS LAST",
            (false, false) => " NULLS FIRST",
        };
        format!("{name}{}{}{nulls}", collated(*collation), if *descending { " DESC" } else { "" })
    }
}

fn collated(collation: Collation) -> String {
    match collation {
        Collation::Binary => String::new(),
        other => format!(" COLLATE {}", other.name()),
    }
}

fn state(kind: StateKind) -> String {
    match kind {
        StateKind::Count => "count".to_owned(),
        StateKind::Sum => "sum".to_owned(),
        StateKind::Minimum(collation) => format!("min{}", collated(collation)),
        StateKind::Maximum(collation) => format!("max{}", collated(collation)),
        StateKind::Set(collation) => format!("distinct values{}", collated(collation)),
    }
}

fn finished(kind: StateKind, finish: Finish) -> String {
    let of = match kind {
        StateKind::Set(_) => " of distinct values",
        _ => "",
    };
    match finish {
        Finish::Value => state(kind),
        Finish::Sum => format!("sum{of}"),
        Finish::Total => format!("total{of}"),
        Finish::Average => format!("avg{of}"),
        Finish::Count => format!("count{of}"),
    }
}

/// A table of the scratch with the columns that it gets.
pub(super) struct Columns<'a>(pub(super) &'a ScratchTable);

impl Display for Columns<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ScratchTable { name, fill } = self.0;
        let columns: Vec<String> = match fill {
            Fill::Part { columns, finishes } => {
                let keys = columns.iter().map(column);
                let states = finishes.iter().map(|(_, kind, finish)| format!(" {}", finished(*kind, *finish)));
                (1..).zip(keys.chain(states)).map(|(place, what)| format!("c{place}{what}")).collect()
            }
            Fill::Table(cells) => cells
                .iter()
                .filter(|(_, cell)| matches!(cell, Cell::Fetched(_)))
                .map(|(name, _)| name.clone())
                .collect(),
        };
        match (fill, columns.is_empty()) {
            (_, false) => write!(f, "{name} ({})", columns.join(", ")),
            (Fill::Part { .. } | Fill::Table(_), true) => write!(f, "{name}, its rows alone"),
        }
    }
}

fn column(column: &ScratchColumn) -> String {
    let affinity = column.affinity.map(|affinity| format!(" {}", affinity.type_name())).unwrap_or_default();
    format!("{affinity}{}", collated(column.collation))
}

/// Whether it is a table of the schema.
pub(super) fn filled(table: &ScratchTable) -> bool {
    matches!(table.fill, Fill::Table(_))
}

/// The condition of a fragment that fetches rows of one table: what stands behind its WHERE.
pub(super) fn condition(sql: &str) -> Option<&str> {
    let start = outside(sql, " WHERE ")? + " WHERE ".len();
    let rest = &sql[start..];
    Some(&rest[..outside(rest, " ORDER BY ").unwrap_or(rest.len())])
}

/// Where a word stands outside of quotes and parentheses.
fn outside(sql: &str, word: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0);
    sql.bytes().enumerate().position(|(at, byte)| {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            _ => {}
        }
        quote.is_none() && depth == 0 && sql[at..].as_bytes().starts_with(word.as_bytes())
    })
}

fn list<T>(items: &[T], word: impl Fn(&T) -> String) -> String {
    items.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_told_in_words() {
        let key = |column, descending, nulls_last, collation| SortKey { column, descending, nulls_last, collation };
        let check = |spec: MergeSpec, words: &str| {
            assert_eq!(Merge { spec: &spec, names: &["a", "b"] }.to_string(), words);
        };
        check(MergeSpec::Rows { order: vec![], limit: None }, "concatenated");
        check(MergeSpec::Rows { order: vec![], limit: Some(3) }, "concatenated, the first 3 rows");
        let order = vec![key(1, true, true, Collation::NoCase), key(0, false, true, Collation::Binary)];
        let words = "ordered by column 2 (b) COLLATE NOCASE DESC, column 1 (a) NULLS LAST, the first 7 rows";
        check(MergeSpec::Rows { order, limit: Some(7) }, words);
        let hidden = MergeSpec::Rows { order: vec![key(2, true, false, Collation::Binary)], limit: None };
        check(hidden, "ordered by column 3 DESC NULLS FIRST");
        check(MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] }, "one group; states: count");
        let keys = vec![Collation::Binary, Collation::NoCase];
        let states = vec![StateKind::Sum, StateKind::Set(Collation::RTrim)];
        let words = "groups by 2 keys (BINARY, NOCASE); states: sum, distinct values COLLATE RTRIM";
        check(MergeSpec::Groups { keys, states }, words);
    }

    #[test]
    fn conditions_are_found_outside_of_quotes() {
        assert_eq!(condition("SELECT \"a WHERE b\" FROM t"), None);
        assert_eq!(condition("SELECT ' WHERE ' FROM t WHERE (x > 1) ORDER BY rowid"), Some("(x > 1)"));
        assert_eq!(condition("SELECT a FROM t WHERE x = ' ORDER BY '"), Some("x = ' ORDER BY '"));
        assert_eq!(condition("SELECT (SELECT 1 WHERE 2) FROM t"), None);
    }
}
