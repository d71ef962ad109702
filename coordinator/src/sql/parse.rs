//! Tokens to sqlparser's tree.

use std::collections::HashMap;

use sqlparser::ast as sp;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::Bounds;
use super::dialect::Dialect;
use super::rewrite::rewrite;
use super::tokens::{offset_of, tokenize};

/// How deep sqlparser may recurse. Its own default of 50 is below what SQLite accepts.
const PARSE_DEPTH_MAX: usize = 400;

/// A query as sqlparser reads it, and what it does not read.
pub(super) struct Parsed {
    pub(super) query: sp::Query,
    /// The text, with blanks for hints: they change nothing but the way, and are not in the tree.
    pub(super) text: String,
    /// Whether a WITH table is MATERIALIZED or NOT MATERIALIZED, by the place of the parenthesis that closes it.
    pub(super) materialized: HashMap<Location, bool>,
}

/// Parses one query; why it cannot be, as a phrase.
pub(super) fn parse(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Parsed, String> {
    let rewritten = rewrite(tokens);
    let mut parser =
        Parser::new(&Dialect).with_recursion_limit(PARSE_DEPTH_MAX).with_tokens_with_locations(rewritten.tokens);
    let query = parser.parse_query().map_err(|error| error.to_string())?;
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token_ref().token != Token::EOF {
        return Err(format!("unexpected `{}`", parser.peek_token_ref().token));
    }
    let text = without(text, &rewritten.hints);
    Ok(Parsed { query: *query, text, materialized: rewritten.materialized })
}

/// Parses the query of a `CREATE VIEW`.
pub(super) fn parse_view(sql: &str) -> Result<Parsed, String> {
    // What was accepted once is not measured again.
    let bounds = Bounds { bytes_max: usize::MAX, tokens_max: usize::MAX };
    let mut tokens = tokenize(sql, &bounds).map_err(|error| error.to_string())?;
    let is_as = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("AS"));
    let before = tokens.iter().position(is_as).ok_or("a view without a query")?;
    let query = tokens.split_off(before + 1);
    let start = query.first().and_then(|first| offset_of(sql, first.span.start)).ok_or("a view without a query")?;
    let mut parsed = parse(sql, query)?;
    parsed.text.drain(..start);
    Ok(parsed)
}

/// The text with blanks in these places.
fn without(text: &str, places: &[(Location, Location)]) -> String {
    let mut blanked = text.to_owned();
    for (start, end) in places {
        if let (Some(start), Some(end)) = (offset_of(text, *start), offset_of(text, *end)) {
            blanked.replace_range(start..end, &" ".repeat(end - start));
        }
    }
    blanked
}
