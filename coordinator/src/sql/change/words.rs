//! The tokens of a statement, and what is asked of them.

use std::ops::Range;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::{Clause, Word};

/// The number of a parameter.
fn parameter(token: &Token) -> Option<usize> {
    match token {
        Token::Placeholder(number) => number.trim_start_matches('?').parse().ok(),
        _ => None,
    }
}

/// The highest number of a statement's parameters; the highest there is when some token begins one that was not read as such.
pub(in crate::sql) fn highest_parameter(tokens: &[TokenWithSpan]) -> usize {
    let is_unread = |token: &Token| matches!(token, Token::Colon | Token::DoubleColon | Token::AtSign | Token::Sharp);
    if tokens.iter().any(|token| is_unread(&token.token)) {
        return usize::MAX;
    }
    tokens.iter().filter_map(|token| parameter(&token.token)).max().unwrap_or(0)
}

/// The tokens of a statement, by their numbers.
pub(super) struct Words<'t> {
    text: &'t str,
    tokens: &'t [TokenWithSpan],
    /// Where each token starts in the text, in bytes.
    starts: Vec<usize>,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t str, tokens: &'t [TokenWithSpan]) -> Words<'t> {
        Words { text, tokens, starts: offsets(text, tokens.iter().map(|token| token.span.start)) }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The names of a list.
    pub(super) fn names(&self, range: Range<usize>) -> Option<Vec<String>> {
        let one = |range: Range<usize>| if range.len() == 1 { self.name(range.start) } else { None };
        self.split(range, &Token::Comma).into_iter().map(one).collect()
    }

    pub(super) fn name(&self, at: usize) -> Option<String> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) => Some(word.value.clone()),
            // SQLite takes a text for a name where only a name can be.
            Token::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// The number of the parameter at a place.
    pub(super) fn parameter(&self, at: usize) -> Option<usize> {
        parameter(&self.tokens.get(at)?.token)
    }

    /// Whether a token is a parameter, a number or a text.
    pub(super) fn is_constant(&self, at: usize) -> bool {
        let token = self.tokens.get(at).map(|token| &token.token);
        matches!(token, Some(Token::Placeholder(_) | Token::Number(..) | Token::SingleQuotedString(_)))
    }

    pub(super) fn clause(&self, range: Range<usize>) -> Option<Clause> {
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
    pub(super) fn print(&self, range: Range<usize>) -> String {
        self.clause(range).map_or_else(String::new, |clause| clause.print(0))
    }

    /// The text as it stands.
    pub(super) fn raw(&self, range: Range<usize>) -> &str {
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
    pub(super) fn find(&self, from: usize, end: usize, words: &[&str]) -> Option<usize> {
        self.at_top(from..end).find(|at| words.iter().any(|word| self.is(*at, word)))
    }

    pub(super) fn find_token(&self, range: Range<usize>, token: &Token) -> Option<usize> {
        self.at_top(range).find(|at| self.is_token(*at, token))
    }

    pub(super) fn split(&self, range: Range<usize>, by: &Token) -> Vec<Range<usize>> {
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
    pub(super) fn closing(&self, at: usize) -> Option<usize> {
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

    pub(super) fn expect(&self, at: usize, word: &str) -> Option<usize> {
        self.is(at, word).then_some(at + 1)
    }

    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        self.word(at).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    /// A word without quotes.
    pub(super) fn word(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    pub(super) fn is_token(&self, at: usize, token: &Token) -> bool {
        self.tokens.get(at).is_some_and(|found| found.token == *token)
    }
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
    use super::*;
    use crate::sql::{Bounds, tokens::tokenize};

    #[test]
    fn parameters_that_are_read_otherwise_are_seen() {
        let highest = |text| highest_parameter(&tokenize(text, &Bounds::default()).expect("tokens"));
        assert_eq!(highest("DELETE FROM t WHERE a = ? AND b = :n AND c = ?7 AND d = @n"), 7 + 1);
        assert_eq!(highest("DELETE FROM t WHERE a = :1"), usize::MAX);
    }
}
