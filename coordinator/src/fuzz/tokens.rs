//! A text in pieces that put together give the text again: good enough to change statements, not to read them.

/// The pieces: words, numbers, strings, spaces, and single characters.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            first if is_word(first) => rest.find(|other| !is_word(other)).unwrap_or(rest.len()),
            first if first.is_whitespace() => rest.find(|other: char| !other.is_whitespace()).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || "_.?".contains(char)
}

#[test]
fn pieces_make_the_text() {
    let text = "SELECT 'it''s', \"a\" || x.y >= ?1 FROM (t)\n-- é€ 'open";
    assert_eq!(pieces(text).concat(), text);
    assert_eq!(pieces("a.b >= 'x' (1"), ["a.b", " ", ">", "=", " ", "'x'", " ", "(", "1"]);
}
