//! What kind of writing a text is, read from its tokens; and the schema change that it is.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{first_word, offset_of, tokenize};
use super::{Bounds, SqlError};

/// A statement that is not asked for rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WriteStatement {
    Schema(SchemaStatement),
    /// INSERT, REPLACE, UPDATE or DELETE, or a WITH that may stand before one.
    Change,
    /// Anything else, by its first word in upper case.
    Other(String),
}

/// CREATE, ALTER or DROP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaStatement {
    /// The first words, in upper case.
    pub(crate) words: Vec<String>,
    /// SQLite's part of the text.
    pub(crate) sql: String,
    /// souk's own option at the end.
    pub(crate) declared: Option<Declared>,
    /// `AS SELECT`, `AS VALUES` or `AS WITH` is in it.
    pub(crate) has_query: bool,
    /// `ON CONFLICT` is in it.
    pub(crate) has_on_conflict: bool,
    /// `AUTOINCREMENT` is in it.
    pub(crate) has_autoincrement: bool,
}

/// What stands at the end of a CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declared {
    ShardKey(String),
    Replicated,
}

/// Reads a statement.
pub(crate) fn read_write(text: &str, bounds: &Bounds) -> Result<WriteStatement, SqlError> {
    let mut tokens = tokenize(text, bounds)?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    // Those within a trigger end its statements; SQLite knows where it ends.
    if !makes_trigger(&tokens) && tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err(SqlError::Syntax("more than one statement; send them one by one".into()));
    }
    let Some(first) = first_word(&tokens) else { return Err(SqlError::Syntax("there is no statement".into())) };
    match first.as_str() {
        "CREATE" | "ALTER" | "DROP" => Ok(WriteStatement::Schema(schema(text, &tokens))),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "WITH" => Ok(WriteStatement::Change),
        _ => Ok(WriteStatement::Other(first)),
    }
}

fn makes_trigger(tokens: &[TokenWithSpan]) -> bool {
    let is_temporary = is(tokens.get(1), "TEMP") || is(tokens.get(1), "TEMPORARY");
    is(tokens.first(), "CREATE") && is(tokens.get(if is_temporary { 2 } else { 1 }), "TRIGGER")
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
    let has_on_conflict = tokens.windows(2).any(|pair| is(pair.first(), "ON") && is(pair.get(1), "CONFLICT"));
    let has_autoincrement = tokens.iter().any(|token| is(Some(token), "AUTOINCREMENT"));
    let (sql, declared) = split_distribution(text, tokens);
    SchemaStatement { words, sql, declared, has_query, has_on_conflict, has_autoincrement }
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
}
