//! What sqlparser does not read of SQLite, said in tokens that it reads.

use std::collections::HashMap;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// Begins the name of a window that has an EXCLUDE; no statement holds this character.
const EXCLUDE_MARK: char = '\0';
const EXCLUDES: [(&[&str], &str); 4] = [
    (&["NO", "OTHERS"], "NO OTHERS"),
    (&["CURRENT", "ROW"], "CURRENT ROW"),
    (&["GROUP"], "GROUP"),
    (&["TIES"], "TIES"),
];

/// Tokens for sqlparser, and what was taken out of them.
pub(super) struct Rewritten {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Whether a WITH table is MATERIALIZED or NOT MATERIALIZED, by the place of the parenthesis that closes it.
    pub(super) materialized: HashMap<Location, bool>,
    /// `INDEXED BY name` and `NOT INDEXED`, which change nothing but the way: where each begins and ends.
    pub(super) hints: Vec<(Location, Location)>,
}

/// Rewrites a statement's tokens.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Rewritten {
    let mut rewriter = Rewriter {
        rewritten: Rewritten { tokens: Vec::new(), materialized: HashMap::new(), hints: Vec::new() },
        nested: vec![Nesting::default()],
    };
    let mut at = 0;
    while at < tokens.len() {
        at += rewriter.step(&tokens[at..]);
    }
    rewriter.rewritten
}

/// The EXCLUDE in the name of a window, and the name that the statement gives.
pub(super) fn split_exclude(name: &str) -> (Option<&'static str>, Option<&str>) {
    let Some((what, base)) = name.strip_prefix(EXCLUDE_MARK).and_then(|rest| rest.split_once(EXCLUDE_MARK)) else {
        return (None, Some(name));
    };
    let known = EXCLUDES.iter().find(|(_, known)| *known == what).map(|(_, known)| *known);
    (known, Some(base).filter(|base| !base.is_empty()))
}

/// What a pair of parentheses holds.
#[derive(Default)]
struct Nesting {
    /// The place of its opening one among the rewritten tokens.
    open: usize,
    /// Commas join tables here.
    joins: bool,
    /// For a WITH table that says so: whether it is MATERIALIZED.
    materialized: Option<bool>,
}

struct Rewriter {
    rewritten: Rewritten,
    /// From the outermost.
    nested: Vec<Nesting>,
}

impl Rewriter {
    /// Rewrites what the tokens begin with; gives how many that were.
    fn step(&mut self, tokens: &[TokenWithSpan]) -> usize {
        let first = &tokens[0];
        if let Some(taken) = self.hint(tokens).or_else(|| self.exclude(tokens)).or_else(|| self.materialized(tokens)) {
            return taken;
        }
        match &first.token {
            Token::LParen => self.open(tokens, None),
            Token::RParen => self.close(first),
            Token::Comma if self.joins() => {
                let join = Token::make_keyword("JOIN");
                self.rewritten.tokens.push(TokenWithSpan { token: join, span: first.span });
                return 1;
            }
            Token::Word(word) => match word.keyword {
                // Not that of IS DISTINCT FROM.
                Keyword::FROM if !self.last_is(Keyword::DISTINCT) => self.set_joins(true),
                Keyword::SELECT
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::WINDOW
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT => self.set_joins(false),
                _ => {}
            },
            _ => {}
        }
        self.rewritten.tokens.push(first.clone());
        1
    }

    fn joins(&self) -> bool {
        self.nested.last().is_some_and(|nesting| nesting.joins)
    }

    fn set_joins(&mut self, joins: bool) {
        if let Some(nesting) = self.nested.last_mut() {
            nesting.joins = joins;
        }
    }

    fn last_is(&self, keyword: Keyword) -> bool {
        is_keyword(self.rewritten.tokens.last(), keyword)
    }

    fn open(&mut self, tokens: &[TokenWithSpan], materialized: Option<bool>) {
        let last = self.rewritten.tokens.last();
        let after_opening = matches!(last.map(|last| &last.token), Some(Token::LParen));
        let of_tables = self.joins() && (after_opening || self.last_is(Keyword::FROM) || self.last_is(Keyword::JOIN));
        let next = tokens.get(1);
        let joins = of_tables && !QUERIES.iter().any(|keyword| is_keyword(next, *keyword));
        self.nested.push(Nesting { open: self.rewritten.tokens.len(), joins, materialized });
    }

    fn close(&mut self, token: &TokenWithSpan) {
        // A parenthesis too many is SQLite's to name.
        if self.nested.len() > 1
            && let Some(Nesting { materialized: Some(materialized), .. }) = self.nested.pop()
        {
            self.rewritten.materialized.insert(token.span.start, materialized);
        }
    }

    /// `INDEXED BY name` or `NOT INDEXED` after the name of a table.
    fn hint(&mut self, tokens: &[TokenWithSpan]) -> Option<usize> {
        let after_name = matches!(self.rewritten.tokens.last().map(|last| &last.token),
            Some(Token::Word(word)) if word.keyword == Keyword::NoKeyword);
        let taken = match after_name && self.joins() {
            true if are(tokens, &["NOT", "INDEXED"]) => 2,
            true if are(tokens, &["INDEXED", "BY"]) && matches!(tokens.get(2)?.token, Token::Word(_)) => 3,
            _ => return None,
        };
        self.rewritten.hints.push((tokens[0].span.start, tokens[taken - 1].span.end));
        Some(taken)
    }

    /// `EXCLUDE ...` before the end of a window: it goes into the window's name.
    fn exclude(&mut self, tokens: &[TokenWithSpan]) -> Option<usize> {
        if !are(tokens, &["EXCLUDE"]) {
            return None;
        }
        let (words, what) = EXCLUDES.iter().find(|(words, _)| are(&tokens[1..], words))?;
        let taken = 1 + words.len();
        if tokens.get(taken)?.token != Token::RParen {
            return None;
        }
        let start = self.nested.last()?.open + 1;
        let base = match &self.rewritten.tokens.get(start)?.token {
            Token::Word(word) if word.keyword == Keyword::NoKeyword => Some(word.value.clone()),
            _ => None,
        };
        let name = format!("{EXCLUDE_MARK}{what}{EXCLUDE_MARK}{}", base.as_deref().unwrap_or(""));
        let marked = TokenWithSpan { token: Token::make_word(&name, Some('"')), span: tokens[0].span };
        let replaced = if base.is_some() { start + 1 } else { start };
        self.rewritten.tokens.splice(start..replaced, [marked]);
        Some(taken)
    }

    /// `AS [NOT] MATERIALIZED (`.
    fn materialized(&mut self, tokens: &[TokenWithSpan]) -> Option<usize> {
        let (words, materialized) = match tokens {
            _ if are(tokens, &["AS", "MATERIALIZED"]) => (2, true),
            _ if are(tokens, &["AS", "NOT", "MATERIALIZED"]) => (3, false),
            _ => return None,
        };
        let open = tokens.get(words).filter(|open| open.token == Token::LParen)?;
        self.rewritten.tokens.push(tokens[0].clone());
        self.open(&tokens[words..], Some(materialized));
        self.rewritten.tokens.push(open.clone());
        Some(words + 1)
    }
}

/// Keywords that begin a query.
const QUERIES: [Keyword; 3] = [Keyword::SELECT, Keyword::VALUES, Keyword::WITH];

fn is_keyword(token: Option<&TokenWithSpan>, keyword: Keyword) -> bool {
    matches!(token.map(|token| &token.token), Some(Token::Word(word)) if word.keyword == keyword)
}

/// Whether the tokens begin with these words, without quotes.
fn are(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    let is = |token: &TokenWithSpan, expected: &&str| {
        matches!(&token.token, Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
    };
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| is(token, word))
}
