//! INSERT, UPDATE and DELETE, taken apart at their own words. SQLite has accepted the text before: what is left to find is where its
//! parts begin.

mod take_apart;
mod words;

pub(super) use take_apart::take_apart;
pub(super) use words::highest_parameter;

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
    /// The numbers of the parameters that are the rows, when nothing else is in the query: `VALUES (?, ?), (?, ?)`.
    pub(crate) given: Vec<Vec<usize>>,
    /// Of a query that is one SELECT, the parameter (`?1`) or the literal that each of its columns is, where it is nothing else.
    pub(crate) selected: Vec<Option<String>>,
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
