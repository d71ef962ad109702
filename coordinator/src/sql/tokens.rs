//! Text to tokens, as SQLite reads them, within the bounds of a statement.

use std::collections::HashMap;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::dialect::Dialect;
use super::{Bounds, SqlError};

/// SQLite's keywords (https://www.sqlite.org/lang_keywords.html) and the two literals that it reads as words.
const KEYWORDS: &[&str] = &[
    "ABORT",
    "ACTION",
    "ADD",
    "AFTER",
    "ALL",
    "ALTER",
    "ALWAYS",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "ATTACH",
    "AUTOINCREMENT",
    "BEFORE",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "COMMIT",
    "CONFLICT",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "DATABASE",
    "DEFAULT",
    "DEFERRABLE",
    "DEFERRED",
    "DELETE",
    "DESC",
    "DETACH",
    "DISTINCT",
    "DO",
    "DROP",
    "EACH",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXCLUSIVE",
    "EXISTS",
    "EXPLAIN",
    "FAIL",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FOR",
    "FOREIGN",
    "FROM",
    "FULL",
    "GENERATED",
    "GLOB",
    "GROUP",
    "GROUPS",
    "HAVING",
    "IF",
    "IGNORE",
    "IMMEDIATE",
    "IN",
    "INDEX",
    "INDEXED",
    "INITIALLY",
    "INNER",
    "INSERT",
    "INSTEAD",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATCH",
    "MATERIALIZED",
    "NATURAL",
    "NO",
    "NOT",
    "NOTHING",
    "NOTNULL",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OTHERS",
    "OUTER",
    "OVER",
    "PARTITION",
    "PLAN",
    "PRAGMA",
    "PRECEDING",
    "PRIMARY",
    "QUERY",
    "RAISE",
    "RANGE",
    "RECURSIVE",
    "REFERENCES",
    "REGEXP",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPLACE",
    "RESTRICT",
    "RETURNING",
    "RIGHT",
    "ROLLBACK",
    "ROW",
    "ROWS",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "TABLE",
    "TEMP",
    "TEMPORARY",
    "THEN",
    "TIES",
    "TO",
    "TRANSACTION",
    "TRIGGER",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VACUUM",
    "VALUES",
    "VIEW",
    "VIRTUAL",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHOUT",
];

/// Keywords after which `(` does not open a function's arguments.
const NOT_FUNCTIONS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "DISTINCT",
    "ELSE",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "LIMIT",
    "MATCH",
    "MATERIALIZED",
    "NOT",
    "NOTNULL",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "REGEXP",
    "RETURNING",
    "SELECT",
    "SET",
    "TABLE",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "KEY",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "REFERENCES",
];

/// The statement's tokens without white space and comments.
pub(crate) fn tokenize(text: &str, bounds: &Bounds) -> Result<Vec<TokenWithSpan>, SqlError> {
    if text.len() > bounds.bytes_max {
        return Err(SqlError::TooLarge { what: "bytes", has: text.len(), max: bounds.bytes_max });
    }
    if text.contains('\0') {
        return Err(SqlError::Syntax("the statement holds a NUL byte; bind it as a parameter".into()));
    }
    let mut tokens = Vec::new();
    Tokenizer::new(&Dialect, text)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| SqlError::Unparsed(error.to_string()))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    if tokens.len() > bounds.tokens_max {
        return Err(SqlError::TooLarge { what: "tokens", has: tokens.len(), max: bounds.tokens_max });
    }
    Ok(number_parameters(as_sqlite(tokens, text)))
}

/// Every parameter as `?N`, numbered as SQLite does: in the order of the text, a name by its first appearance.
fn number_parameters(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut highest = 0;
    let mut numbered = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        let name = match (&token.token, tokens.peek().map(|next| &next.token)) {
            (Token::Placeholder(name), _) => Some(name.clone()),
            (prefix @ (Token::Colon | Token::AtSign), Some(Token::Word(word))) => {
                let name = format!("{prefix}{}", word.value);
                tokens.next();
                Some(name)
            }
            _ => None,
        };
        if let Some(name) = name {
            let explicit = name.strip_prefix('?').and_then(|digits| digits.parse::<usize>().ok());
            let number = match explicit {
                Some(number) => number,
                None if name == "?" => highest + 1,
                None => *numbers.entry(name).or_insert(highest + 1),
            };
            highest = highest.max(number);
            token.token = Token::Placeholder(format!("?{number}"));
        }
        numbered.push(token);
    }
    numbered
}

/// Words that SQLite does not reserve become identifiers, names of functions too, and `0x1F` becomes a number.
fn as_sqlite(mut tokens: Vec<TokenWithSpan>, text: &str) -> Vec<TokenWithSpan> {
    for index in 0..tokens.len() {
        let opens = matches!(tokens.get(index + 1).map(|next| &next.token), Some(Token::LParen));
        let start = tokens[index].span.start;
        match &mut tokens[index].token {
            Token::Word(word) if word.quote_style.is_none() => {
                let upper = word.value.to_ascii_uppercase();
                let keyword = KEYWORDS.binary_search(&upper.as_str()).is_ok();
                if !keyword || (opens && !NOT_FUNCTIONS.contains(&upper.as_str())) {
                    word.keyword = Keyword::NoKeyword;
                }
            }
            token @ Token::HexStringLiteral(_) => {
                if let Token::HexStringLiteral(digits) = token
                    && offset_of(text, start)
                        .is_some_and(|at| text[at..].starts_with("0x") || text[at..].starts_with("0X"))
                {
                    *token = Token::Number(format!("0x{digits}"), false);
                }
            }
            _ => {}
        }
    }
    tokens
}

/// Where a token's location lies in the text, in bytes.
pub(crate) fn offset_of(text: &str, at: Location) -> Option<usize> {
    let line = text.split_inclusive('\n').nth((at.line as usize).checked_sub(1)?)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    let column = (at.column as usize).checked_sub(1)?;
    let within = line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset);
    Some(start + within)
}

/// The statement's first word, in upper case.
pub(crate) fn first_word(tokens: &[TokenWithSpan]) -> Option<String> {
    match &tokens.first()?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        Token::LParen => Some("(".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn hexadecimal_numbers_are_not_blobs() {
        let bounds = Bounds::default();
        let tokens = tokenize("SELECT 0x1F,\n 'é', 0xff, x'ff'", &bounds).expect("tokens");
        let kinds: Vec<_> = tokens.into_iter().map(|token| token.token).collect();
        assert_eq!(kinds[1], Token::Number("0x1F".into(), false));
        assert_eq!(kinds[5], Token::Number("0xff".into(), false));
        assert_eq!(kinds[7], Token::HexStringLiteral("ff".into()));
    }

    #[test]
    fn statements_are_bounded_before_parsing() {
        let bounds = Bounds { bytes_max: 100, tokens_max: 5 };
        assert!(matches!(tokenize(&"x".repeat(101), &bounds), Err(SqlError::TooLarge { what: "bytes", .. })));
        assert!(matches!(tokenize("1+1+1+1", &bounds), Err(SqlError::TooLarge { what: "tokens", .. })));
    }
}
