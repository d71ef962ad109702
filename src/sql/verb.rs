//! Which service a statement goes to, and whether it asks for a plan.

use super::lexer::{Kind, token};

/// What a statement does, as far as choosing the service goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Goes to the query service, which also refuses what it must.
    Read,
    /// INSERT, REPLACE, UPDATE or DELETE.
    Rows,
    /// CREATE, ALTER or DROP.
    Schema,
}

/// The verb of a statement: its first word, or behind WITH the first one of the body.
pub(super) fn verb(statement: &str) -> Verb {
    let mut words = words(statement);
    match words.next() {
        Some((first, _)) if first.eq_ignore_ascii_case("WITH") => {
            let body = words.filter(|(_, depth)| *depth == 0).find_map(|(word, _)| body_verb(word));
            body.unwrap_or(Verb::Read)
        }
        Some((first, _)) => first_verb(first),
        None => Verb::Read,
    }
}

/// A statement behind EXPLAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explained<'a> {
    /// Whether it is run, too.
    pub(super) analyze: bool,
    /// The statement.
    pub(super) statement: &'a str,
}

/// What a statement asks to be explained; none when it does not.
pub(super) fn explained(statement: &str) -> Option<Explained<'_>> {
    let rest = behind(statement, "EXPLAIN")?;
    match (behind(rest, "ANALYZE"), behind(rest, "QUERY").and_then(|rest| behind(rest, "PLAN"))) {
        (Some(rest), _) => Some(Explained { analyze: true, statement: rest }),
        // The coordinator says what to write instead.
        (None, Some(_)) => None,
        (None, None) => Some(Explained { analyze: false, statement: rest }),
    }
}

/// What follows a word that comes first.
fn behind<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let mut at = 0;
    loop {
        let token = token(text, at)?;
        let (found, rest) = (&text[at..token.end], &text[token.end..]);
        match token.kind {
            Kind::Blank => at = token.end,
            Kind::Word if found.eq_ignore_ascii_case(word) => return Some(rest),
            _ => return None,
        }
    }
}

fn first_verb(word: &str) -> Verb {
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["CREATE", "ALTER", "DROP"]) { Verb::Schema } else { body_verb(word).unwrap_or(Verb::Read) }
}

/// The verb of a word that starts the body of a statement. A name that reads like one is quoted in SQLite's SQL,
/// but for REPLACE, which is also a function and never stands outside of parentheses before the body.
fn body_verb(word: &str) -> Option<Verb> {
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["INSERT", "REPLACE", "UPDATE", "DELETE"]) {
        Some(Verb::Rows)
    } else if is(&["SELECT", "VALUES"]) {
        Some(Verb::Read)
    } else {
        None
    }
}

/// The words of a statement, each with the parentheses open around it.
fn words(statement: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut at = 0;
    let mut depth = 0usize;
    std::iter::from_fn(move || {
        loop {
            let token = token(statement, at)?;
            let text = &statement[at..token.end];
            at = token.end;
            match token.kind {
                Kind::Word => return Some((text, depth)),
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Blank | Kind::Other | Kind::Semicolon => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str, expected: Verb) {
        assert_eq!(verb(statement), expected, "{statement}");
    }

    #[test]
    fn the_first_word_decides() {
        check("select 1", Verb::Read);
        check("VALUES (1)", Verb::Read);
        check("EXPLAIN INSERT INTO t VALUES (1)", Verb::Read);
        check("pragma table_info(t)", Verb::Read);
        check("BEGIN", Verb::Read);
        check("-- a comment\n/* and */ insert into t values (1)", Verb::Rows);
        check("REPLACE INTO t VALUES (1)", Verb::Rows);
        check("drop table t", Verb::Schema);
        check("", Verb::Read);
    }

    #[test]
    fn explain_is_a_word_of_its_own() {
        let plan = |statement| Some(Explained { analyze: false, statement });
        assert_eq!(explained("-- x\nexplain SELECT 1"), plan(" SELECT 1"));
        assert_eq!(
            explained("EXPLAIN /**/ ANALYZE SELECT 1"),
            Some(Explained { analyze: true, statement: " SELECT 1" })
        );
        assert_eq!(explained("EXPLAIN query(1)"), plan(" query(1)"));
        for statement in ["EXPLAIN QUERY PLAN SELECT 1", "SELECT 'EXPLAIN'", "EXPLAINED", "'EXPLAIN' SELECT 1", ""] {
            assert_eq!(explained(statement), None, "{statement}");
        }
    }

    #[test]
    fn behind_with_the_body_decides() {
        check("WITH a AS (SELECT 1), b(x) AS (DELETE) SELECT * FROM a", Verb::Read);
        check("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Verb::Rows);
        check("WITH RECURSIVE a AS NOT MATERIALIZED (VALUES (1)) UPDATE t SET x = 1", Verb::Rows);
        check("WITH \"insert\" AS (SELECT 1) SELECT 1", Verb::Read);
    }
}
