//! Operands that SQLite writes otherwise than sqlparser: parentheses, CAST, and what follows IN.

use sqlparser::ast::{CastKind, DataType, Expr, Ident, ObjectName, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::dialect::Dialect;

/// A query, an expression, or the values of a row.
pub(super) fn parenthesised(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let expr = if begins_query(parser) {
        Expr::Subquery(parser.parse_query()?)
    } else {
        let mut exprs = parser.parse_comma_separated(Parser::parse_expr)?;
        match exprs.pop() {
            Some(only) if exprs.is_empty() => Expr::Nested(Box::new(only)),
            last => Expr::Tuple(exprs.into_iter().chain(last).collect()),
        }
    };
    parser.expect_token(&Token::RParen)?;
    Ok(expr)
}

fn begins_query(parser: &Parser<'_>) -> bool {
    matches!(&parser.peek_token_ref().token, Token::Word(word)
        if matches!(word.keyword, Keyword::SELECT | Keyword::VALUES | Keyword::WITH))
}

/// `CAST(expr AS type)`; a type is any words, and numbers in parentheses.
pub(super) fn cast(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::CAST)?;
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_expr()?);
    parser.expect_keyword(Keyword::AS)?;
    let mut words = Vec::new();
    let mut depth = 0;
    loop {
        let token = parser.next_token();
        match &token.token {
            Token::RParen if depth == 0 => break,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::EOF => return parser.expected("the end of a type", token),
            _ => {}
        }
        words.push(token.token.to_string());
    }
    if words.is_empty() {
        return Err(ParserError::ParserError("a CAST to no type".into()));
    }
    let name = ObjectName::from(vec![Ident::new(words.join(" "))]);
    let data_type = DataType::Custom(name, Vec::new());
    Ok(Expr::Cast { kind: CastKind::Cast, expr, data_type, format: None })
}

/// What follows IN: a query, expressions, or the name of a table.
pub(super) fn membership(parser: &mut Parser<'_>, expr: Expr, negated: bool) -> Result<Expr, ParserError> {
    let expr = Box::new(expr);
    if !parser.consume_token(&Token::LParen) {
        let subquery = rows_of(parser.parse_object_name(false)?)?;
        return Ok(Expr::InSubquery { expr, subquery, negated });
    }
    let within = if begins_query(parser) {
        Expr::InSubquery { expr, subquery: parser.parse_query()?, negated }
    } else {
        let mut list = parser.parse_comma_separated0(Parser::parse_expr, Token::RParen)?;
        match list.pop().map(unnested) {
            // SQLite takes the rows of a query in parentheses of its own, when it is alone.
            Some(Expr::Subquery(subquery)) if list.is_empty() => Expr::InSubquery { expr, subquery, negated },
            last => Expr::InList { expr, list: list.into_iter().chain(last).collect(), negated },
        }
    };
    parser.expect_token(&Token::RParen)?;
    Ok(within)
}

fn unnested(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => unnested(*inner),
        other => other,
    }
}

/// `SELECT * FROM name`.
fn rows_of(name: ObjectName) -> Result<Box<Query>, ParserError> {
    let mut tokens = vec![Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
    for (index, part) in name.0.iter().enumerate() {
        let ident = part.as_ident().ok_or_else(|| ParserError::ParserError(format!("no table is called {name}")))?;
        tokens.extend((index > 0).then_some(Token::Period));
        tokens.push(Token::make_word(&ident.value, Some('"')));
    }
    Parser::new(&Dialect).with_tokens(tokens).parse_query()
}
