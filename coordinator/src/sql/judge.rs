//! The judge: a tree is believed when SQLite compiles its print to the same program as the user's text.
//!
//! A view is judged by itself: the text against a tree that names the view, and the view's query against the tree of it. SQLite reads
//! a view as the derived table of its query, and so does the tree that is used.

use sqlparser::tokenizer::TokenWithSpan;

use super::SqlError;
use super::ast::Query;
use super::bind::{Views, bind};
use super::parse::{parse, parse_view};
use super::schema::Schema;
use super::twin::{Program, Twin};

/// Whether the tree means what the text means.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// SQLite reads the tree's print as it reads the text.
    Judged(Box<Query>),
    /// No tree that can be believed, and why.
    Opaque(String),
}

/// Why there is no tree that can be believed.
enum Doubt {
    Opaque(String),
    Sqlite(SqlError),
}

impl From<String> for Doubt {
    fn from(reason: String) -> Doubt {
        Doubt::Opaque(reason)
    }
}

impl From<rusqlite::Error> for Doubt {
    fn from(error: rusqlite::Error) -> Doubt {
        Doubt::Sqlite(SqlError::from_sqlite(error))
    }
}

/// The tree of a text that SQLite accepts and makes `program` of.
pub(super) fn judge(
    twin: &Twin,
    schema: &Schema,
    text: &str,
    program: &Program,
    tokens: Vec<TokenWithSpan>,
) -> Result<Verdict, SqlError> {
    match tree(twin, schema, text, program, tokens) {
        Ok(tree) => Ok(Verdict::Judged(Box::new(tree))),
        Err(Doubt::Opaque(reason)) => Ok(Verdict::Opaque(reason)),
        Err(Doubt::Sqlite(error)) => Err(error),
    }
}

fn tree(
    twin: &Twin,
    schema: &Schema,
    text: &str,
    program: &Program,
    tokens: Vec<TokenWithSpan>,
) -> Result<Query, Doubt> {
    let parsed = parse(text, tokens)?;
    let (tree, views) = bind(&parsed, schema, Views::Read)?;
    // Hints were taken out of the parsed text, and with them perhaps the way that the program goes.
    let unhinted = if parsed.text == text { None } else { Some(twin.program(&parsed.text)?) };
    let program = unhinted.as_ref().unwrap_or(program);
    if views.is_empty() {
        compare(twin, program, &tree)?;
        return Ok(tree);
    }
    compare(twin, program, &bind(&parsed, schema, Views::Named)?.0)?;
    for view in views {
        let parsed = parse_view(&view.sql)?;
        let named = bind(&parsed, schema, Views::Named)?.0;
        compare(twin, &twin.program(&parsed.text)?, &named)?;
    }
    Ok(tree)
}

/// Compares the program of a text with that of the print of its tree.
fn compare(twin: &Twin, theirs: &Program, tree: &Query) -> Result<(), Doubt> {
    match twin.program(&tree.to_string()).map_err(SqlError::from_sqlite) {
        Ok(ours) if ours == *theirs => Ok(()),
        Ok(_) => Err(Doubt::Opaque("SQLite reads it differently".into())),
        Err(error @ SqlError::Deadline) => Err(Doubt::Sqlite(error)),
        Err(error) => Err(Doubt::Opaque(format!("its print is refused: {error}"))),
    }
}
