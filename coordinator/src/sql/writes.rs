//! Statements that write, read from their tokens: enough to route them; SQLite reads the rest.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{first_word, offset_of, tokenize};
use super::{Bounds, SqlError};

/// A statement that is not asked for rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WriteStatement {
    Schema(SchemaStatement),
    Insert(InsertStatement),
    /// Anything else, by its first word in upper case.
    Other(String),
}

/// CREATE, ALTER or DROP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SchemaStatement {
    /// The first words, in upper case.
    pub(crate) words: Vec<String>,
    /// SQLite's part of the text.
    pub(crate) sql: String,
    /// souk's own option at the end.
    pub(crate) declared: Option<Declared>,
    /// `AS SELECT`, `AS VALUES` or `AS WITH` is in it.
    pub(crate) has_query: bool,
}

/// What stands at the end of a CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declared {
    ShardKey(String),
    Replicated,
}

/// `INSERT INTO table [(columns)] VALUES ...` without anything behind the rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InsertStatement {
    pub(crate) table: String,
    /// Empty: all columns, in order.
    pub(crate) columns: Vec<String>,
    /// The text from VALUES on, which is a query by itself.
    pub(crate) values: String,
}

/// Reads a statement.
pub(crate) fn read_write(text: &str, bounds: &Bounds) -> Result<WriteStatement, SqlError> {
    let mut tokens = tokenize(text, bounds)?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err(SqlError::Syntax("more than one statement; send them one by one".into()));
    }
    let Some(first) = first_word(&tokens) else { return Err(SqlError::Syntax("there is no statement".into())) };
    match first.as_str() {
        "CREATE" | "ALTER" | "DROP" => Ok(WriteStatement::Schema(schema(text, &tokens))),
        "INSERT" => insert(text, &tokens).map(WriteStatement::Insert),
        _ => Ok(WriteStatement::Other(first)),
    }
}

fn word(token: &TokenWithSpan) -> Option<&str> {
    match &token.token {
        Token::Word(word) => Some(&word.value),
        _ => None,
    }
}

/// Whether a token is this word, without quotes.
fn is(token: Option<&TokenWithSpan>, expected: &str) -> bool {
    matches!(token.map(|token| &token.token), Some(Token::Word(word))
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

fn schema(text: &str, tokens: &[TokenWithSpan]) -> SchemaStatement {
    let words = tokens.iter().map_while(word).take(4).map(str::to_ascii_uppercase).collect();
    let has_query = tokens
        .windows(2)
        .any(|pair| is(pair.first(), "AS") && ["SELECT", "WITH", "VALUES"].iter().any(|query| is(pair.get(1), query)));
    let (sql, declared) = split_distribution(text, tokens);
    SchemaStatement { words, sql, declared, has_query }
}

/// Splits a CREATE TABLE into SQLite's part and souk's option at its end.
fn split_distribution(text: &str, tokens: &[TokenWithSpan]) -> (String, Option<Declared>) {
    let back = |count: usize| tokens.len().checked_sub(count).and_then(|at| tokens.get(at));
    let is_token = |count, expected: Token| back(count).is_some_and(|token| token.token == expected);
    let (length, declared) = if is(back(1), "REPLICATED") {
        (1, Declared::Replicated)
    } else if is(back(5), "SHARD")
        && is(back(4), "KEY")
        && is_token(3, Token::LParen)
        && is_token(1, Token::RParen)
        && let Some(column) = back(2).and_then(word)
    {
        (5, Declared::ShardKey(column.to_owned()))
    } else {
        return (text.to_owned(), None);
    };
    let length = if is_token(length + 1, Token::Comma) { length + 1 } else { length };
    let cut = back(length).and_then(|token| offset_of(text, token.span.start)).unwrap_or(text.len());
    (text[..cut].trim_end().to_owned(), Some(declared))
}

fn insert(text: &str, tokens: &[TokenWithSpan]) -> Result<InsertStatement, SqlError> {
    let unsupported = |what: &str| Err(SqlError::Unsupported(what.into()));
    let is_token = |at: usize, expected: Token| tokens.get(at).is_some_and(|token| token.token == expected);
    if !is(tokens.get(1), "INTO") {
        return unsupported("INSERT OR ...");
    }
    let mut at = if is(tokens.get(2), "main") && is_token(3, Token::Period) { 4 } else { 2 };
    let table = tokens.get(at).and_then(word).ok_or_else(|| SqlError::Syntax("INSERT INTO names no table".into()))?;
    at += 1;
    let mut columns = Vec::new();
    if is_token(at, Token::LParen) {
        let end = tokens.iter().skip(at).position(|token| token.token == Token::RParen).unwrap_or(0) + at;
        columns.extend(tokens[at + 1..end.max(at + 1)].iter().filter_map(word).map(str::to_owned));
        at = end + 1;
    }
    if !is(tokens.get(at), "VALUES") {
        return unsupported("an INSERT without VALUES");
    }
    let mut depth = 0usize;
    for token in &tokens[at + 1..] {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(_) if depth == 0 && is(Some(token), "ON") => return unsupported("ON CONFLICT"),
            Token::Word(_) if depth == 0 && is(Some(token), "RETURNING") => return unsupported("RETURNING"),
            Token::Word(_) if depth == 0 => return unsupported("a compound after VALUES"),
            _ => {}
        }
    }
    let start = offset_of(text, tokens[at].span.start).unwrap_or(text.len());
    Ok(InsertStatement { table: table.to_owned(), columns, values: text[start..].to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_option(text: &str, sql: &str, declared: Option<Declared>) {
        match read_write(text, &Bounds::default()) {
            Ok(WriteStatement::Schema(schema)) => assert_eq!((schema.sql.as_str(), schema.declared), (sql, declared)),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_option_at_the_end_is_cut_off() {
        let key = |column: &str| Some(Declared::ShardKey(column.into()));
        check_option("CREATE TABLE t(a) REPLICATED;", "CREATE TABLE t(a)", Some(Declared::Replicated));
        check_option("CREATE TABLE t(a) STRICT, shard key (\"a\")", "CREATE TABLE t(a) STRICT", key("a"));
        check_option("CREATE TABLE t(\n'é' TEXT,\n a)\n SHARD KEY (a)", "CREATE TABLE t(\n'é' TEXT,\n a)", key("a"));
        check_option("CREATE TABLE t(a)", "CREATE TABLE t(a)", None);
    }

    #[test]
    fn an_insert_is_split_at_its_rows() {
        let insert = |table: &str, columns: &[&str], values: &str| {
            let columns = columns.iter().map(|column| (*column).to_owned()).collect();
            Ok(WriteStatement::Insert(InsertStatement { table: table.into(), columns, values: values.into() }))
        };
        let read = |text| read_write(text, &Bounds::default());
        assert_eq!(read("INSERT INTO t VALUES (1, ?)"), insert("t", &[], "VALUES (1, ?)"));
        assert_eq!(
            read("insert into main.\"t\" (a, \"b\") values (1, 'x')"),
            insert("t", &["a", "b"], "values (1, 'x')")
        );
        for refused in [
            "INSERT INTO t SELECT 1",
            "INSERT OR REPLACE INTO t VALUES (1)",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES (1) RETURNING a",
            "INSERT INTO t VALUES (1) UNION SELECT 2",
            "INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t (a",
        ] {
            assert!(matches!(read(refused), Err(SqlError::Unsupported(_))), "{refused}");
        }
        assert!(matches!(read("INSERT INTO t VALUES (1); DROP TABLE t"), Err(SqlError::Syntax(_))));
    }
}
