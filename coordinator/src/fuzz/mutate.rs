//! Statements with a few changes.

use super::nested;
use super::shared::generate::{Scene, case};
use super::shared::random::Random;
use super::tokens::pieces;
use super::words::WORDS;

/// Bytes of a text, about: most are short, as a bug needs no more.
const LONG: usize = 40 * 1024;

const CHARACTERS: &[&str] = &[
    "\0",
    "\u{1}",
    "\t",
    "\u{b}",
    "\r",
    "\u{7f}",
    "\u{a0}",
    "é",
    "ß",
    "İ",
    "\u{2028}",
    "\u{feff}",
    "漢",
    "\u{1f600}",
    "\u{10ffff}",
    "'",
    "\"",
    "`",
    "[",
];

/// A text that may be anything, most often nearly a statement.
pub(super) fn text(random: &mut Random, scene: &Scene) -> String {
    match random.below(100) {
        0..8 => case(random, scene).render().0,
        8..10 => nested::statement(random),
        10..13 => noise(random),
        _ => {
            let changes = [1, 1, 1, 1, 2, 2, 3, 5][random.below(8)];
            let mut text = case(random, scene).render().0;
            for _ in 0..changes {
                text = changed(random, scene, &text);
                if text.len() > LONG {
                    break;
                }
            }
            text
        }
    }
}

/// Words and characters in no order.
fn noise(random: &mut Random) -> String {
    let start = *random.pick(&["SELECT ", "WITH ", "VALUES (", "", "SELECT * FROM "]);
    let count = random.below(40);
    let token = |_| {
        let token = if random.percent(10) { *random.pick(CHARACTERS) } else { *random.pick::<&str>(&WORDS) };
        format!("{token}{}", if random.percent(80) { " " } else { "" })
    };
    format!("{start}{}", (0..count).map(token).collect::<String>())
}

/// One change of a text.
fn changed(random: &mut Random, scene: &Scene, text: &str) -> String {
    let mut all: Vec<&str> = pieces(text);
    if all.is_empty() {
        return (*random.pick::<&str>(&WORDS)).to_owned();
    }
    let at = random.below(all.len());
    match random.below(22) {
        13.. => all[at] = similar(random, &all, at),
        0 | 1 => {
            all.remove(at);
        }
        2 => all.insert(at, all[at]),
        3 => {
            let other = random.below(all.len());
            all.swap(at, other);
        }
        4 | 5 => all[at] = random.pick::<&'static str>(&WORDS),
        6 | 7 => all.insert(at, random.pick::<&'static str>(&WORDS)),
        8 => all.insert(at, random.pick::<&'static str>(CHARACTERS)),
        9 => {
            let end = (at + 1 + random.below(12)).min(all.len());
            all.drain(at..end);
        }
        10 => {
            let end = (at + 1 + random.below(8)).min(all.len());
            let run = all[at..end].to_vec();
            let times = [1, 2, 10, 60, 500][random.below(5)];
            let repeated: Vec<&str> = run.iter().copied().cycle().take(run.len() * times).collect();
            all.splice(at..at, repeated);
        }
        11 => return spliced(random, scene, &all[..at]),
        _ => return nested_at(random, &all, at),
    }
    all.concat()
}

/// A piece of the same kind from elsewhere in the text.
fn similar<'a>(random: &mut Random, all: &[&'a str], at: usize) -> &'a str {
    let kind = kind(all[at]);
    let others: Vec<&'a str> = all.iter().copied().filter(|other| kind == self::kind(other)).collect();
    random.pick::<&'a str>(&others)
}

/// Columns, words, numbers, and all else by its first character.
fn kind(piece: &str) -> char {
    match piece.chars().next() {
        Some(first) if first.is_alphabetic() && piece.contains('.') => '.',
        Some(first) if first.is_alphabetic() && piece.chars().all(|char| !char.is_lowercase()) => 'A',
        Some(first) if first.is_alphabetic() => 'a',
        Some(first) if first.is_ascii_digit() => '0',
        Some('+' | '-' | '*' | '/' | '|' | '&' | '<' | '>' | '=') => '+',
        other => other.unwrap_or(' '),
    }
}

/// The beginning of one statement with the end of another.
fn spliced(random: &mut Random, scene: &Scene, head: &[&str]) -> String {
    let other = case(random, scene).render().0;
    let tail = pieces(&other);
    let from = random.below(tail.len());
    format!("{} {}", head.concat(), tail[from..].concat())
}

/// With a token put deep into something.
fn nested_at(random: &mut Random, all: &[&str], at: usize) -> String {
    let depth = [1, 3, 20, 100, 450][random.below(5)];
    let deep = nested::around(random, all[at], depth);
    format!("{} {deep} {}", all[..at].concat(), all[at + 1..].concat())
}
