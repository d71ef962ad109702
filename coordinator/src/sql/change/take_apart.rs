//! Where the parts of a statement begin. A part that is not found is an error: nothing is guessed.

use std::ops::Range;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words::Words;
use super::{Change, Delete, Insert, Update};
use crate::sql::SqlError;
use crate::sql::print::quote;

/// Takes a statement apart; none when it is of another kind.
pub(in crate::sql) fn take_apart(text: &str, tokens: &[TokenWithSpan]) -> Option<Result<Change, SqlError>> {
    let words = Words::new(text, tokens);
    let start = words.find(0, words.len(), &["INSERT", "REPLACE", "UPDATE", "DELETE", "SELECT", "VALUES"])?;
    if start > 0 && !words.is(0, "WITH") {
        return None;
    }
    let read = match words.word(start)?.to_ascii_uppercase().as_str() {
        "INSERT" | "REPLACE" => words.insert(start).map(Change::Insert),
        "UPDATE" => words.update(start).map(Change::Update),
        "DELETE" => words.delete(start).map(Change::Delete),
        _ => return None,
    };
    Some(read.ok_or_else(|| SqlError::Unsupported("a statement of this form".into())))
}

impl Words<'_> {
    fn insert(&self, start: usize) -> Option<Insert> {
        let (mut at, mut or) = (start + 1, None);
        if self.is(start, "REPLACE") {
            or = Some("REPLACE".to_owned());
        }
        if self.is(at, "OR") {
            or = Some(self.word(at + 1)?.to_ascii_uppercase());
            at += 2;
        }
        at = self.expect(at, "INTO")?;
        let table;
        (table, at) = self.table(at)?;
        let alias;
        (alias, at) = self.alias(at)?;
        let mut columns = Vec::new();
        if self.is_token(at, &Token::LParen) {
            let end = self.closing(at)?;
            columns = self.names(at + 1..end)?;
            at = end + 1;
        }
        let end = self.len();
        let returning = self.find(at, end, &["RETURNING"]).unwrap_or(end);
        let upsert = self.upsert(at, returning).unwrap_or(returning);
        let source = if self.is(at, "DEFAULT") && self.is(at + 1, "VALUES") {
            None
        } else {
            Some(format!("{}{}", self.raw(0..start), self.raw(at..upsert)))
        };
        Some(Insert {
            table,
            or,
            columns,
            source,
            given: self.given(at..upsert).unwrap_or_default(),
            selected: self.selected(at..upsert).unwrap_or_default(),
            alias,
            sets: self.upserted(upsert..returning)?,
            upsert: self.clause(upsert..returning),
            returning: self.clause(returning..end),
        })
    }

    /// The numbers of the parameters in `VALUES (?, ?), (?, ?)`; none when anything else is there.
    fn given(&self, range: Range<usize>) -> Option<Vec<Vec<usize>>> {
        let rows = self.split(self.expect(range.start, "VALUES")?..range.end, &Token::Comma);
        let cell = |cell: Range<usize>| if cell.len() == 1 { self.parameter(cell.start) } else { None };
        let row = |row: Range<usize>| {
            let is_row = self.is_token(row.start, &Token::LParen) && self.closing(row.start)? + 1 == row.end;
            let cells = if is_row { self.split(row.start + 1..row.end - 1, &Token::Comma) } else { return None };
            cells.into_iter().map(cell).collect()
        };
        rows.into_iter().map(row).collect()
    }

    /// The parameters and literals that are columns of `SELECT ?, a, 'b' FROM ...`; none when it is another query, or may have more columns than are listed.
    fn selected(&self, range: Range<usize>) -> Option<Vec<Option<String>>> {
        let start = self.expect(range.start, "SELECT")?;
        let is_plain = self.find(range.start, range.end, &["UNION", "EXCEPT", "INTERSECT"]).is_none()
            && !self.is(start, "DISTINCT")
            && !self.is(start, "ALL");
        let end = self.find(start, range.end, &["FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT"]);
        let terms = self.split(start..end.unwrap_or(range.end), &Token::Comma);
        let is_star = |term: &Range<usize>| term.is_empty() || self.is_token(term.end - 1, &Token::Mul);
        if !is_plain || terms.iter().any(is_star) {
            return None;
        }
        let column = |term: Range<usize>| (term.len() == 1 && self.is_constant(term.start)).then(|| self.print(term));
        Some(terms.into_iter().map(column).collect())
    }

    /// The columns that are set in `ON CONFLICT ... DO UPDATE SET ...`, of which there may be several.
    fn upserted(&self, range: Range<usize>) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        let mut from = range.start;
        while let Some(set) = self.find(from, range.end, &["SET"]) {
            let next = self.upsert(set, range.end).unwrap_or(range.end);
            let end = self.find(set, next, &["WHERE"]).unwrap_or(next);
            for assignment in self.split(set + 1..end, &Token::Comma) {
                columns.extend(self.assigned(&assignment)?);
            }
            from = next;
        }
        Some(columns)
    }

    /// The columns that an assignment sets.
    fn assigned(&self, assignment: &Range<usize>) -> Option<Vec<String>> {
        let equal = self.find_token(assignment.clone(), &Token::Eq)?;
        if self.is_token(assignment.start, &Token::LParen) {
            return self.names(assignment.start + 1..self.closing(assignment.start)?);
        }
        self.names(assignment.start..equal)
    }

    fn update(&self, start: usize) -> Option<Update> {
        let (mut at, mut or) = (start + 1, None);
        if self.is(at, "OR") {
            or = Some(self.word(at + 1)?.to_ascii_uppercase());
            at += 2;
        }
        let (target, table, set) = self.target(at, "SET")?;
        let Ends { from, filter, returning, end } = self.ends(set + 1)?;
        let mut columns = Vec::new();
        let mut terms = Vec::new();
        for assignment in self.split(set + 1..from, &Token::Comma) {
            let equal = self.find_token(assignment.clone(), &Token::Eq)?;
            let assigned = self.assigned(&assignment)?;
            let is_row = self.is_token(assignment.start, &Token::LParen);
            let value = equal + 1..assignment.end;
            terms.push(if is_row { self.row_terms(value, assigned.len())? } else { self.print(value) });
            columns.extend(assigned);
        }
        if returning < end {
            terms.push(self.print(returning + 1..end));
        }
        let others = if from < filter { format!(", {}", self.print(from + 1..filter)) } else { String::new() };
        let reads = format!(
            "{} SELECT {} FROM {target}{others} {}",
            self.print(0..start),
            terms.join(", "),
            self.print(filter..returning)
        );
        Some(Update { table, or, columns, reads })
    }

    fn delete(&self, start: usize) -> Option<Delete> {
        let (target, table, after) = self.target(self.expect(start + 1, "FROM")?, "")?;
        let Ends { from: _, filter, returning, end } = self.ends(after)?;
        let terms = if returning < end { self.print(returning + 1..end) } else { "1".to_owned() };
        let reads = format!("{} SELECT {terms} FROM {target} {}", self.print(0..start), self.print(filter..returning));
        Some(Delete { table, reads })
    }

    /// The values of a row: those of a list, or a query of so many columns in a comparison, where all that it reads is read.
    fn row_terms(&self, range: Range<usize>, width: usize) -> Option<String> {
        if !self.is_token(range.start, &Token::LParen) || self.closing(range.start)? + 1 != range.end {
            return None;
        }
        let inner = range.start + 1..range.end - 1;
        let is_query = ["SELECT", "VALUES", "WITH"].iter().any(|word| self.is(inner.start, word));
        if !is_query {
            return Some(self.print(inner));
        }
        let nulls = vec!["NULL"; width].join(", ");
        Some(if width == 1 {
            format!("({})", self.print(inner))
        } else {
            format!("({}) = ({nulls})", self.print(inner))
        })
    }

    /// `[main.]table [[AS] alias] [INDEXED BY index | NOT INDEXED]` up to a word, or to where its clauses begin: what FROM takes, the
    /// table's name, and where it ends.
    fn target(&self, at: usize, until: &str) -> Option<(String, String, usize)> {
        let (table, after) = self.table(at)?;
        let words: &[&str] = if until.is_empty() { &["WHERE", "RETURNING", "ORDER", "LIMIT"] } else { &[until] };
        let end = match self.find(after, self.len(), words) {
            Some(end) => end,
            None if until.is_empty() => self.len(),
            None => return None,
        };
        // The way that SQLite goes by is not what is asked here.
        let hint = self.find(after, end, &["INDEXED"]);
        let named = hint.map_or(end, |hint| if self.is(hint - 1, "NOT") { hint - 1 } else { hint });
        // A WITH table of the same name is not meant: what is changed is a table.
        Some((format!("main.{} {}", quote(&table), self.print(after..named)), table, end))
    }

    /// Where the clauses of an UPDATE or DELETE begin; each is where the next begins when it is not there.
    fn ends(&self, at: usize) -> Option<Ends> {
        let end = self.len();
        if self.find(at, end, &["ORDER", "LIMIT"]).is_some_and(|order| self.is(order, "LIMIT")) {
            return None;
        }
        let returning = self.find(at, end, &["RETURNING"]).unwrap_or(end);
        let filter = self.find(at, returning, &["WHERE"]).unwrap_or(returning);
        // `IS DISTINCT FROM` is an operator.
        let mut from = at;
        loop {
            from = self.find(from, filter, &["FROM"]).unwrap_or(filter);
            if from == filter || !self.is(from - 1, "DISTINCT") {
                break;
            }
            from += 1;
        }
        Some(Ends { from, filter, returning, end })
    }

    fn upsert(&self, at: usize, end: usize) -> Option<usize> {
        let mut from = at;
        loop {
            let on = self.find(from, end, &["ON"])?;
            if self.is(on + 1, "CONFLICT") {
                return Some(on);
            }
            from = on + 1;
        }
    }

    /// `[main.]table`, and where it ends.
    fn table(&self, at: usize) -> Option<(String, usize)> {
        let is_qualified = self.is_token(at + 1, &Token::Period);
        if is_qualified && !self.word(at)?.eq_ignore_ascii_case("main") {
            return None;
        }
        let name = if is_qualified { at + 2 } else { at };
        Some((self.name(name)?, name + 1))
    }

    fn alias(&self, at: usize) -> Option<(Option<String>, usize)> {
        if self.is(at, "AS") { Some((Some(self.name(at + 1)?), at + 2)) } else { Some((None, at)) }
    }
}

/// Where the clauses of a statement begin.
struct Ends {
    from: usize,
    filter: usize,
    returning: usize,
    end: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Bounds, tokens::tokenize};

    fn parts(text: &str) -> Change {
        let tokens = tokenize(text, &Bounds::default()).expect("tokens");
        take_apart(text, &tokens).expect("a change").expect("of a form that is known")
    }

    #[track_caller]
    fn check_reads(text: &str, expected: &str) {
        let reads = match parts(text) {
            Change::Update(Update { reads, .. }) | Change::Delete(Delete { reads, .. }) => reads,
            Change::Insert(insert) => panic!("{insert:?}"),
        };
        assert_eq!(reads.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
    }

    #[test]
    fn what_a_statement_reads_is_a_select_from_its_table() {
        check_reads("DELETE FROM t", "SELECT 1 FROM main.\"t\"");
        check_reads(
            "delete from main.[a b] as x where x.c = ? returning *",
            "SELECT * FROM main.\"a b\" as x where x.c = ?1",
        );
        check_reads(
            "UPDATE t INDEXED BY i SET a = ?, (b, c) = (1, ?2), d = (e IS DISTINCT FROM f) WHERE g = ? RETURNING h AS k",
            "SELECT ?1, 1, ?2, (e IS DISTINCT FROM f), h AS k FROM main.\"t\" WHERE g = ?3",
        );
        check_reads(
            "WITH t AS (SELECT 1) UPDATE t SET a = b IS DISTINCT FROM 2, (c, d) = (SELECT x, y FROM u) FROM v, w WHERE t.k = v.k",
            "WITH t AS (SELECT 1) SELECT b IS DISTINCT FROM 2, (SELECT x, y FROM u) = (NULL, NULL) FROM main.\"t\" , v, w WHERE t.k = v.k",
        );
    }

    #[test]
    fn rows_that_are_parameters_are_known() {
        let given = |text: &str| match parts(text) {
            Change::Insert(insert) => insert.given,
            other => panic!("{other:?}"),
        };
        assert_eq!(given("INSERT INTO t(a, b) VALUES (?, ?3), (?2, ?) RETURNING a"), [[1, 3], [2, 4]]);
        assert_eq!(given("REPLACE INTO t VALUES(?)"), [[1]]);
        for text in [
            "VALUES (?, 1)",
            "VALUES (?) UNION SELECT ?",
            "VALUES (+?)",
            "VALUES ((?))",
            "SELECT ?",
            "DEFAULT VALUES",
            "VALUES (?), (abs(?))",
        ] {
            assert!(given(&format!("INSERT INTO t {text}")).is_empty(), "{text}");
        }
        assert!(given("WITH c AS (SELECT 1) INSERT INTO t VALUES (?)").len() == 1, "nothing is read");
    }

    #[test]
    fn columns_that_are_parameters_are_known() {
        let selected = |text: &str| match parts(text) {
            Change::Insert(insert) => insert.selected,
            other => panic!("{other:?}"),
        };
        let text = "INSERT INTO t SELECT ?, a, 'b', (SELECT max(x) FROM t WHERE y = ?2), +?, ?7, \"c\" FROM u WHERE a = ? ON CONFLICT DO NOTHING";
        let known = selected(text).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        assert_eq!(known, ["?1", "", "'b'", "", "", "?7", ""]);
        assert_eq!(selected("INSERT INTO t SELECT 2.5 RETURNING a"), [Some("2.5".to_owned())]);
        for text in [
            "VALUES (?)",
            "SELECT ?, * FROM u",
            "SELECT ?, u.* FROM u",
            "SELECT DISTINCT ? FROM u",
            "SELECT ? UNION SELECT ?",
            "DEFAULT VALUES",
        ] {
            assert!(selected(&format!("INSERT INTO t {text}")).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_insert_is_its_rows_and_what_follows_them() {
        let text = "INSERT OR IGNORE INTO t AS x (a, \"b\") SELECT 1, ? FROM u JOIN v ON u.k = v.k \
                    ON CONFLICT (a) DO UPDATE SET a = ?, (b, c) = (1, 2) WHERE x.a > 0 ON CONFLICT DO NOTHING RETURNING a IN w";
        let Change::Insert(insert) = parts(text) else { panic!("{text}") };
        assert_eq!(insert.source.as_deref().map(str::trim), Some("SELECT 1, ? FROM u JOIN v ON u.k = v.k"));
        assert_eq!((insert.or.as_deref(), insert.alias.as_deref()), (Some("IGNORE"), Some("x")));
        assert_eq!(insert.sets, ["a", "b", "c"]);
        let (upsert, returning) = (insert.upsert.expect("a clause"), insert.returning.expect("a clause"));
        assert!(upsert.print(5).contains("SET a = ?7"), "{}", upsert.print(5));
        assert!(!upsert.has_query && returning.has_query, "a table behind IN is a query");
    }
}
