//! What of a statement decides the order of its rows: the ORDER BY and LIMIT at its top level, found with a small lexer.

/// A SELECT in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Without ORDER BY and LIMIT.
    pub base: String,
    pub order: Vec<Term>,
    /// All behind the ORDER BY: `LIMIT ... OFFSET ...`.
    pub tail: String,
    /// Whether the parts of a compound are several.
    pub is_compound: bool,
    /// Where further result columns may be inserted into `base`.
    pub outputs_end: usize,
}

/// A term of an ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What it sorts by, with its COLLATE.
    pub expr: String,
    /// The rest, for example `DESC NULLS LAST`.
    pub direction: String,
}

/// A word at nesting depth 0, in upper case, with its place.
struct Word {
    text: String,
    start: usize,
    end: usize,
}

/// Words and commas at depth 0.
fn words(sql: &str) -> Vec<Word> {
    let bytes = sql.as_bytes();
    let mut words = Vec::new();
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => at = past(bytes, at + 1, quote),
            b'[' => at = past(bytes, at + 1, b']'),
            b'-' if bytes[at..].starts_with(b"--") => at = past(bytes, at, b'\n'),
            b'/' if bytes[at..].starts_with(b"/*") => {
                at = sql[at + 2..].find("*/").map_or(bytes.len(), |end| at + 2 + end + 2);
            }
            b'(' => (at, depth) = (at + 1, depth + 1),
            b')' => (at, depth) = (at + 1, depth - 1),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte >= 0x80 => {
                while at < bytes.len()
                    && (bytes[at].is_ascii_alphanumeric() || b"_.".contains(&bytes[at]) || bytes[at] >= 0x80)
                {
                    at += 1;
                }
            }
            _ => at += 1,
        }
        if depth == 0
            && (bytes[start].is_ascii_alphabetic() || bytes[start] == b',')
            && !is_name_of_parameter(bytes, start)
        {
            words.push(Word { text: sql[start..at].to_ascii_uppercase(), start, end: at });
        }
    }
    words
}

/// `:limit` is no LIMIT.
fn is_name_of_parameter(bytes: &[u8], start: usize) -> bool {
    start > 0 && b":@$".contains(&bytes[start - 1])
}

/// The place behind the next `end`; a doubled one is skipped by reading two literals in a row.
fn past(bytes: &[u8], from: usize, end: u8) -> usize {
    bytes[from..].iter().position(|byte| *byte == end).map_or(bytes.len(), |place| from + place + 1)
}

pub fn split(sql: &str) -> Split {
    let sql = sql.trim().trim_end_matches(';');
    let words = words(sql);
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.text == text);
    let order = (0..words.len()).rev().find(|&index| is(index, "ORDER") && is(index + 1, "BY"));
    let limit = (0..words.len()).rev().find(|&index| is(index, "LIMIT"));
    let start_of = |index: Option<usize>| index.map_or(sql.len(), |index| words[index].start);
    let base = sql[..start_of(order.or(limit))].trim_end().to_owned();
    let terms = order.map_or("", |order| sql[words[order + 1].end..start_of(limit)].trim());
    let is_compound = words.iter().any(|word| ["UNION", "EXCEPT", "INTERSECT"].contains(&word.text.as_str()));
    let select = words.iter().position(|word| word.text == "SELECT").unwrap_or(0);
    let from = (select..words.len()).find(|&index| is(index, "FROM") && !is(index - 1, "DISTINCT"));
    let outputs_end = from.map_or(base.len(), |index| words[index].start).min(base.len());
    Split { base, order: split_terms(terms), tail: sql[start_of(limit)..].to_owned(), is_compound, outputs_end }
}

fn split_terms(terms: &str) -> Vec<Term> {
    let commas = words(terms).into_iter().filter(|word| word.text == ",").map(|word| word.start);
    let mut start = 0;
    let mut split = Vec::new();
    for end in commas.chain([terms.len()]) {
        if start < end {
            split.push(term(terms[start..end].trim()));
        }
        start = end + 1;
    }
    split
}

fn term(text: &str) -> Term {
    let mut expr = text;
    loop {
        let upper = expr.to_ascii_uppercase();
        let suffix =
            [" ASC", " DESC", " NULLS FIRST", " NULLS LAST"].into_iter().find(|suffix| upper.ends_with(suffix));
        match suffix {
            Some(suffix) => expr = expr[..expr.len() - suffix.len()].trim_end(),
            None => break,
        }
    }
    Term { expr: expr.to_owned(), direction: text[expr.len()..].trim().to_owned() }
}

#[test]
fn statements_come_apart() {
    let parts = split(
        "SELECT a, (SELECT 1 ORDER BY 1), ')' IS NOT DISTINCT FROM b FROM t ORDER BY a COLLATE NOCASE DESC NULLS LAST, max(a, b) LIMIT 1, 2;",
    );
    assert_eq!(parts.base, "SELECT a, (SELECT 1 ORDER BY 1), ')' IS NOT DISTINCT FROM b FROM t");
    assert_eq!(&parts.base[parts.outputs_end..], "FROM t");
    assert_eq!(parts.order.len(), 2);
    assert_eq!(
        (parts.order[0].expr.as_str(), parts.order[0].direction.as_str()),
        ("a COLLATE NOCASE", "DESC NULLS LAST")
    );
    assert_eq!(parts.tail, "LIMIT 1, 2");
    let compound = split("VALUES (1) UNION SELECT 2 LIMIT 3");
    assert!(compound.is_compound && compound.order.is_empty());
}
