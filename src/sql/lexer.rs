//! Just enough of SQLite's lexer to see where a statement ends and what it does.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a bare name or a number.
    Word,
    /// `;`
    Semicolon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// White space or a comment.
    Blank,
    /// A string, a quoted name, an operator.
    Other,
}

/// One token of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it ends, in bytes.
    pub(super) end: usize,
    /// Whether it ends here whatever follows: a string without its end, or a word at the end of the text, does not.
    pub(super) complete: bool,
}

/// The token of `text` at byte `at`; none at the end of the text.
pub(super) fn token(text: &str, at: usize) -> Option<Token> {
    let bytes = text.as_bytes();
    let first = *bytes.get(at)?;
    let next = bytes.get(at + 1).copied();
    let single = |kind| Token { kind, end: at + 1, complete: true };
    Some(match first {
        b';' => single(Kind::Semicolon),
        b'(' => single(Kind::Open),
        b')' => single(Kind::Close),
        b'\'' | b'"' | b'`' => quoted(bytes, at, first),
        b'[' => until(bytes, at + 1, b"]", Kind::Other),
        b'-' if next == Some(b'-') => until(bytes, at + 2, b"\n", Kind::Blank),
        b'/' if next == Some(b'*') => until(bytes, at + 2, b"*/", Kind::Blank),
        b'-' | b'/' => Token { complete: next.is_some(), ..single(Kind::Other) },
        byte if is_space(byte) => run(bytes, at, is_space, Kind::Blank),
        byte if is_word(byte) => run(bytes, at, is_word, Kind::Word),
        _ => single(Kind::Other),
    })
}

/// A quoted text; its quote is written twice to stand in it.
fn quoted(bytes: &[u8], at: usize, quote: u8) -> Token {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        end += 1;
        if *byte == quote {
            match bytes.get(end) {
                Some(next) if *next == quote => end += 1,
                next => return Token { kind: Kind::Other, end, complete: next.is_some() },
            }
        }
    }
    Token { kind: Kind::Other, end, complete: false }
}

/// What ends with `terminator`, looked for from `from` on.
fn until(bytes: &[u8], from: usize, terminator: &[u8], kind: Kind) -> Token {
    match bytes[from..].windows(terminator.len()).position(|window| window == terminator) {
        Some(place) => Token { kind, end: from + place + terminator.len(), complete: true },
        None => Token { kind, end: bytes.len(), complete: false },
    }
}

fn run(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool, kind: Kind) -> Token {
    let length = bytes[at..].iter().take_while(|byte| belongs(**byte)).count();
    let end = at + length;
    // White space may go on, but where it is cut makes no difference.
    Token { kind, end, complete: kind == Kind::Blank || end < bytes.len() }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// Letters, digits, `_`, `$` and every byte of a character beyond ASCII, as SQLite has it.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
