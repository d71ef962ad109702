//! Which events are wanted.

use souk_proto::v1;

use crate::error::{Error, Result};

/// Patterns of a subscription.
pub(crate) const PATTERNS_MAX: usize = 32;

/// Characters of a kind, and of a pattern: what is longer matches none.
pub(crate) const KIND_MAX: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    All,
    /// Everything that begins so: `order.`.
    Under(String),
    Exactly(String),
}

/// Kinds of events; none given means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn read(words: &[String]) -> Result<Patterns> {
        if words.len() > PATTERNS_MAX {
            return Err(Error::invalid(format!("there are {} patterns, over {PATTERNS_MAX}", words.len())));
        }
        words.iter().map(|word| pattern(word)).collect::<Result<_>>().map(Patterns)
    }

    pub(super) fn want(&self, event: &v1::Event) -> bool {
        let matches = |pattern: &Pattern| match pattern {
            Pattern::All => true,
            Pattern::Under(beginning) => event.kind.starts_with(beginning),
            Pattern::Exactly(kind) => event.kind == *kind,
        };
        self.0.is_empty() || self.0.iter().any(matches)
    }
}

fn pattern(word: &str) -> Result<Pattern> {
    match word.strip_suffix('*').filter(|_| word.len() <= KIND_MAX) {
        Some("") => Ok(Pattern::All),
        Some(beginning) if beginning.strip_suffix('.').is_some_and(is_kind) => Ok(Pattern::Under(beginning.to_owned())),
        None if is_kind(word) => Ok(Pattern::Exactly(word.to_owned())),
        _ => Err(Error::invalid(format!(
            "`{}` is no pattern: say `order.placed`, `order.*` or `*`",
            word.escape_debug()
        ))),
    }
}

/// Words of lower case letters, digits, `-` and `_`, with dots between.
pub(super) fn is_kind(kind: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    kind.len() <= KIND_MAX && kind.split('.').all(|word| !word.is_empty() && word.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_want_what_they_name() {
        let want = |patterns: &[&str], kind: &str| {
            let words: Vec<String> = patterns.iter().map(|word| (*word).to_owned()).collect();
            Patterns::read(&words).unwrap().want(&v1::Event { kind: kind.to_owned(), ..v1::Event::default() })
        };
        assert!(want(&[], "order.placed") && want(&["*"], "order.placed"));
        assert!(want(&["order.*"], "order.placed") && !want(&["order.*"], "orders.placed"));
        assert!(want(&["a", "order.placed"], "order.placed") && !want(&["order.placed"], "order.placed.late"));
        for word in ["", "order.", "*.placed", "order*", "Order.placed", "order..placed", ".*", "order.*.*"] {
            assert!(Patterns::read(&[word.to_owned()]).is_err(), "{word}");
        }
    }
}
