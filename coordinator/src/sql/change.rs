//! INSERT, UPDATE and DELETE, taken apart at their own words. SQLite has accepted the text before: what is left to find is where its
//! parts begin.

use std::ops::Range;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::SqlError;
use super::print::quote;

/// A statement that changes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Insert(Insert),
    Update(Update),
    Delete(Delete),
}

impl Change {
    /// The table that it changes, as the text calls it.
    pub(crate) fn table(&self) -> &str {
        match self {
            Change::Insert(insert) => &insert.table,
            Change::Update(update) => &update.table,
            Change::Delete(delete) => &delete.table,
        }
    }

    /// The columns that it sets in rows that are there.
    pub(crate) fn sets(&self) -> &[String] {
        match self {
            Change::Insert(insert) => &insert.sets,
            Change::Update(update) => &update.columns,
            Change::Delete(_) => &[],
        }
    }

    /// Whether a row that is in the way goes.
    pub(crate) fn replaces(&self) -> bool {
        let or = match self {
            Change::Insert(insert) => &insert.or,
            Change::Update(update) => &update.or,
            Change::Delete(_) => &None,
        };
        or.as_deref() == Some("REPLACE")
    }
}

/// `[WITH ...] INSERT [OR ...] INTO table [(columns)] source [ON CONFLICT ...] [RETURNING ...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Insert {
    pub(crate) table: String,
    /// What stands behind OR, in upper case; REPLACE for a REPLACE.
    pub(crate) or: Option<String>,
    /// Empty: all columns, in order.
    pub(crate) columns: Vec<String>,
    /// The query that gives the rows, with the text's own parameters; none for DEFAULT VALUES.
    pub(crate) source: Option<String>,
    /// The table's other name, which the clauses behind the rows may use.
    pub(crate) alias: Option<String>,
    pub(crate) upsert: Option<Clause>,
    /// Every column that ON CONFLICT sets.
    pub(crate) sets: Vec<String>,
    pub(crate) returning: Option<Clause>,
}

/// `[WITH ...] UPDATE [OR ...] table [AS alias] SET ... [FROM ...] [WHERE ...] [RETURNING ...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) table: String,
    pub(crate) or: Option<String>,
    /// Every column that is set.
    pub(crate) columns: Vec<String>,
    /// A SELECT of everything that the statement reads, from the rows that it changes.
    pub(crate) reads: String,
}

/// `[WITH ...] DELETE FROM table [AS alias] [WHERE ...] [RETURNING ...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delete {
    pub(crate) table: String,
    /// A SELECT of everything that the statement reads, from the rows that it deletes.
    pub(crate) reads: String,
}

/// A part of a statement, to be printed with its parameters behind others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    words: Vec<Word>,
    /// Whether it holds a query of its own.
    pub(crate) has_query: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Text(String),
    Parameter(usize),
}

impl Clause {
    /// The highest number of its parameters.
    pub(crate) fn parameters(&self) -> usize {
        let number = |word: &Word| match word {
            Word::Text(_) => 0,
            Word::Parameter(number) => *number,
        };
        self.words.iter().map(number).max().unwrap_or(0)
    }

    /// Whether one of these words, in upper case, is anywhere in it, in quotes too.
    pub(crate) fn mentions(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| matches!(word, Word::Text(text) if mentions(text, words)))
    }

    /// Its text, when so many parameters are in front of the statement's own.
    pub(crate) fn print(&self, parameters_in_front: usize) -> String {
        let print = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Parameter(number) => format!("?{}", number + parameters_in_front),
        };
        self.words.iter().map(print).collect::<Vec<_>>().join(" ")
    }
}

/// Whether one of these words, in upper case, is anywhere in a text, in quotes too.
pub(crate) fn mentions(text: &str, words: &[&str]) -> bool {
    let mut names = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    names.any(|name| words.iter().any(|word| name.eq_ignore_ascii_case(word)))
}

/// The number of a parameter.
fn parameter(token: &Token) -> Option<usize> {
    match token {
        Token::Placeholder(number) => number.trim_start_matches('?').parse().ok(),
        _ => None,
    }
}

/// The highest number of a statement's parameters; the highest there is when some token begins one that was not read as such.
pub(super) fn highest_parameter(tokens: &[TokenWithSpan]) -> usize {
    let is_unread = |token: &Token| matches!(token, Token::Colon | Token::DoubleColon | Token::AtSign | Token::Sharp);
    if tokens.iter().any(|token| is_unread(&token.token)) {
        return usize::MAX;
    }
    tokens.iter().filter_map(|token| parameter(&token.token)).max().unwrap_or(0)
}

/// Takes a statement apart; none when it is of another kind. A part that is not found is an error: nothing is guessed.
pub(super) fn take_apart(text: &str, tokens: &[TokenWithSpan]) -> Option<Result<Change, SqlError>> {
    let reader = Reader { text, tokens, starts: offsets(text, tokens.iter().map(|token| token.span.start)) };
    let start = reader.find(0, tokens.len(), &["INSERT", "REPLACE", "UPDATE", "DELETE", "SELECT", "VALUES"])?;
    if start > 0 && !reader.is(0, "WITH") {
        return None;
    }
    let read = match reader.word(start)?.to_ascii_uppercase().as_str() {
        "INSERT" | "REPLACE" => reader.insert(start).map(Change::Insert),
        "UPDATE" => reader.update(start).map(Change::Update),
        "DELETE" => reader.delete(start).map(Change::Delete),
        _ => return None,
    };
    Some(read.ok_or_else(|| SqlError::Unsupported("a statement of this form".into())))
}

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [TokenWithSpan],
    /// Where each token starts in the text, in bytes.
    starts: Vec<usize>,
}

impl Reader<'_> {
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
        let end = self.tokens.len();
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
            alias,
            sets: self.upserted(upsert..returning)?,
            upsert: self.clause(upsert..returning),
            returning: self.clause(returning..end),
        })
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
        let end = match self.find(after, self.tokens.len(), words) {
            Some(end) => end,
            None if until.is_empty() => self.tokens.len(),
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
        let end = self.tokens.len();
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

    /// The names of a list.
    fn names(&self, range: Range<usize>) -> Option<Vec<String>> {
        let one = |range: Range<usize>| if range.len() == 1 { self.name(range.start) } else { None };
        self.split(range, &Token::Comma).into_iter().map(one).collect()
    }

    fn name(&self, at: usize) -> Option<String> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) => Some(word.value.clone()),
            // SQLite takes a text for a name where only a name can be.
            Token::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        }
    }

    fn clause(&self, range: Range<usize>) -> Option<Clause> {
        if range.is_empty() {
            return None;
        }
        // A table behind IN is a query too.
        let is_in_table = |at: usize| self.is(at, "IN") && !self.is_token(at + 1, &Token::LParen);
        let has_query = range.clone().any(|at| self.is(at, "SELECT") || self.is(at, "VALUES") || is_in_table(at));
        let word = |at: usize| match &self.tokens[at].token {
            token @ Token::Placeholder(_) => Word::Parameter(parameter(token).unwrap_or(0)),
            _ => Word::Text(self.source(at).to_owned()),
        };
        let mut words: Vec<Word> = Vec::new();
        for at in range {
            match (words.last_mut(), word(at)) {
                (Some(Word::Text(before)), Word::Text(text)) => {
                    if !self.touches(at) {
                        before.push(' ');
                    }
                    before.push_str(&text);
                }
                (_, word) => words.push(word),
            }
        }
        Some(Clause { words, has_query })
    }

    /// The text of some tokens, with numbers for parameters.
    fn print(&self, range: Range<usize>) -> String {
        self.clause(range).map_or_else(String::new, |clause| clause.print(0))
    }

    /// The text as it stands.
    fn raw(&self, range: Range<usize>) -> &str {
        let at = |token: usize| self.starts.get(token).copied().unwrap_or(self.text.len());
        &self.text[at(range.start)..at(range.end)]
    }

    /// The text of one token.
    fn source(&self, at: usize) -> &str {
        let text = self.raw(at..at + 1);
        let span = self.tokens[at].span;
        let length = offsets(
            text,
            [Location::new(span.end.line - span.start.line + 1, {
                if span.end.line == span.start.line { span.end.column - span.start.column + 1 } else { span.end.column }
            })]
            .into_iter(),
        );
        &text[..length.first().copied().unwrap_or(text.len())]
    }

    /// Whether nothing stands between a token and the one before.
    fn touches(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| self.tokens[before].span.end == self.tokens[at].span.start)
    }

    /// The first of these words that stands in no parentheses.
    fn find(&self, from: usize, end: usize, words: &[&str]) -> Option<usize> {
        self.at_top(from..end).find(|at| words.iter().any(|word| self.is(*at, word)))
    }

    fn find_token(&self, range: Range<usize>, token: &Token) -> Option<usize> {
        self.at_top(range).find(|at| self.is_token(*at, token))
    }

    fn split(&self, range: Range<usize>, by: &Token) -> Vec<Range<usize>> {
        let mut start = range.start;
        let mut parts = Vec::new();
        for at in self.at_top(range.clone()).filter(|at| self.is_token(*at, by)) {
            parts.push(start..at);
            start = at + 1;
        }
        parts.push(start..range.end);
        parts
    }

    /// The tokens that stand in no parentheses.
    fn at_top(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let mut depth = 0usize;
        range.filter(move |at| match self.tokens[*at].token {
            Token::LParen => {
                depth += 1;
                depth == 1
            }
            Token::RParen => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            _ => depth == 0,
        })
    }

    /// The parenthesis that closes the one at a place.
    fn closing(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        (at..self.tokens.len()).find(|at| {
            match self.tokens[*at].token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        })
    }

    fn expect(&self, at: usize, word: &str) -> Option<usize> {
        self.is(at, word).then_some(at + 1)
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.word(at).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    /// A word without quotes.
    fn word(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    fn is_token(&self, at: usize, token: &Token) -> bool {
        self.tokens.get(at).is_some_and(|found| found.token == *token)
    }
}

/// Where the clauses of a statement begin.
struct Ends {
    from: usize,
    filter: usize,
    returning: usize,
    end: usize,
}

/// Where locations, which are in order, lie in a text, in bytes.
fn offsets(text: &str, locations: impl Iterator<Item = Location>) -> Vec<usize> {
    let (mut line, mut column) = (1, 1);
    let mut characters = text.char_indices().peekable();
    let mut found = Vec::new();
    for location in locations {
        while (line, column) < (location.line, location.column)
            && let Some((_, character)) = characters.next()
        {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        found.push(characters.peek().map_or(text.len(), |(offset, _)| *offset));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, tokens::tokenize};
    use super::*;

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

    #[test]
    fn parameters_that_are_read_otherwise_are_seen() {
        let highest = |text| highest_parameter(&tokenize(text, &Bounds::default()).expect("tokens"));
        assert_eq!(highest("DELETE FROM t WHERE a = ? AND b = :n AND c = ?7 AND d = @n"), 7 + 1);
        assert_eq!(highest("DELETE FROM t WHERE a = :1"), usize::MAX);
    }
}
