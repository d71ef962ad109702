//! Cuts a text into statements as it comes in.

use super::lexer::{Kind, token};

/// Most bytes of a statement that has no end yet. Coordinators refuse much shorter ones; this keeps an open quote from
/// swallowing a file.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Takes text in, gives statements out.
///
/// A statement ends at a `;` outside of strings, quoted names and comments. That of `CREATE TRIGGER` ends at `; END;`, the
/// rule of SQLite's own `sqlite3_complete`.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    text: String,
    /// Everything before is lexed.
    at: usize,
    words: Words,
}

/// A statement without its end grew over the bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endless;

/// What the words so far say about where the statement ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Words {
    /// None yet.
    #[default]
    None,
    /// `EXPLAIN`, perhaps with `QUERY` and `PLAN`.
    Explain,
    /// `CREATE`, perhaps with `TEMP`.
    Create,
    /// In the body of a trigger.
    Trigger,
    /// After a `;` in the body of a trigger.
    TriggerSemicolon,
    /// After `; END` in the body of a trigger.
    TriggerEnd,
    /// Any other statement: the next `;` ends it.
    Other,
}

impl Words {
    fn after(self, kind: Kind, text: &str) -> Words {
        let is = |word: &str| kind == Kind::Word && text.eq_ignore_ascii_case(word);
        match self {
            _ if kind == Kind::Blank => self,
            Words::None if is("EXPLAIN") => Words::Explain,
            Words::Explain if is("QUERY") || is("PLAN") => Words::Explain,
            Words::None | Words::Explain if is("CREATE") => Words::Create,
            Words::Create if is("TEMP") || is("TEMPORARY") => Words::Create,
            Words::Create if is("TRIGGER") => Words::Trigger,
            Words::Trigger | Words::TriggerSemicolon | Words::TriggerEnd if kind == Kind::Semicolon => {
                Words::TriggerSemicolon
            }
            Words::TriggerSemicolon if is("END") => Words::TriggerEnd,
            Words::Trigger | Words::TriggerSemicolon | Words::TriggerEnd => Words::Trigger,
            Words::None | Words::Explain | Words::Create | Words::Other => Words::Other,
        }
    }

    fn ends_at_semicolon(self) -> bool {
        !matches!(self, Words::Trigger | Words::TriggerSemicolon)
    }
}

impl Splitter {
    /// Adds text.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Endless> {
        self.text.push_str(text);
        if self.text.len() > STATEMENT_BYTES_MAX + text.len() { Err(Endless) } else { Ok(()) }
    }

    /// The next whole statement, without its `;`. Empty statements are passed over.
    pub(super) fn next_statement(&mut self) -> Option<String> {
        while let Some(token) = token(&self.text, self.at) {
            if !token.complete {
                return None;
            }
            let start = std::mem::replace(&mut self.at, token.end);
            if token.kind == Kind::Semicolon && self.words.ends_at_semicolon() {
                if let Some(statement) = self.take(start) {
                    return Some(statement);
                }
            } else {
                self.words = self.words.after(token.kind, &self.text[start..token.end]);
            }
        }
        None
    }

    /// What is left when the text is over: a statement without `;`, or none.
    pub(super) fn finish(mut self) -> Option<String> {
        // What was cut off by the end of the text counts as it is.
        while let Some(token) = token(&self.text, self.at) {
            self.words = self.words.after(token.kind, &self.text[self.at..token.end]);
            self.at = token.end;
        }
        self.take(self.at)
    }

    /// Whether nothing but white space is waiting for its end.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Takes the statement that ends before `end`; none when it says nothing.
    fn take(&mut self, end: usize) -> Option<String> {
        let says_nothing = self.words == Words::None;
        let statement = self.text[..end].trim().to_owned();
        self.text.drain(..self.at);
        self.at = 0;
        self.words = Words::None;
        if says_nothing { None } else { Some(statement) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split_in(chunks: &[&str]) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut statements = Vec::new();
        for chunk in chunks {
            splitter.push(chunk).unwrap();
            statements.extend(std::iter::from_fn(|| splitter.next_statement()));
        }
        statements.extend(splitter.finish());
        statements
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(split_in(&[text]), expected, "{text}");
        let singly: Vec<String> = text.chars().map(String::from).collect();
        let singly: Vec<&str> = singly.iter().map(String::as_str).collect();
        assert_eq!(split_in(&singly), expected, "character by character: {text}");
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        check("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]);
        check("SELECT 1", &["SELECT 1"]);
        check(" ;; \n ; SELECT 1 ;;", &["SELECT 1"]);
        check("", &[]);
    }

    #[test]
    fn strings_and_quoted_names_hide_semicolons() {
        check("SELECT 'a;''b;'; SELECT \"c;\"\"\"", &["SELECT 'a;''b;'", "SELECT \"c;\"\"\""]);
        check("SELECT `a;`, [b;c'd]; x", &["SELECT `a;`, [b;c'd]", "x"]);
    }

    #[test]
    fn comments_hide_semicolons_and_quotes() {
        check("SELECT 1 -- it's; here\n; SELECT 2", &["SELECT 1 -- it's; here", "SELECT 2"]);
        check("SELECT /* ; ' */ 1; SELECT 2-1/1;", &["SELECT /* ; ' */ 1", "SELECT 2-1/1"]);
        check("-- nothing;\n/* nothing; */;", &[]);
        check("SELECT 1; -- the end", &["SELECT 1"]);
    }

    #[test]
    fn the_body_of_a_trigger_holds_semicolons() {
        let trigger =
            "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM y; END";
        check(&format!("{trigger}; SELECT 1;"), &[trigger, "SELECT 1"]);
        check(&format!("explain {trigger} -- c\n ; SELECT 1"), &[&format!("explain {trigger} -- c"), "SELECT 1"]);
        check("CREATE TABLE trigger_(x); SELECT 1", &["CREATE TABLE trigger_(x)", "SELECT 1"]);
        check("SELECT 1 FROM create_ trigger; x", &["SELECT 1 FROM create_ trigger", "x"]);
    }

    #[test]
    fn a_statement_without_its_end_is_given_as_it_is() {
        check("SELECT 'open; SELECT 2;", &["SELECT 'open; SELECT 2;"]);
        check("SELECT 1 /* open;", &["SELECT 1 /* open;"]);
    }

    #[test]
    fn an_open_quote_does_not_swallow_everything() {
        let mut splitter = Splitter::default();
        splitter.push("SELECT '").unwrap();
        let mut outcome = Ok(());
        for _ in 0..100 {
            outcome = outcome.and(splitter.push(&"x".repeat(100_000)));
            assert_eq!(splitter.next_statement(), None);
        }
        assert_eq!(outcome, Err(Endless));
    }

    proptest! {
        #[test]
        fn where_the_text_is_cut_makes_no_difference(text in "[a-z;'\"\\[\\]/*\\- \n]{0,60}", cut in 0usize..60) {
            let cut = cut.min(text.len());
            prop_assert_eq!(split_in(&[&text]), split_in(&[&text[..cut], &text[cut..]]));
        }
    }
}
