//! The judge: a tree is believed when SQLite compiles its print to the same program as the user's text.
//!
//! A view is judged by itself: the text against a tree that names the view, and the view's query against the tree of it. SQLite reads
//! a view as the derived table of its query, and so does the tree that is used.

use sqlparser::tokenizer::TokenWithSpan;

use super::SqlError;
use super::ast::Query;
use super::bind::{Views, bind};
use super::parse::{Parsed, parse, parse_view};
use super::schema::Schema;
use super::twin::Twin;

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

/// The tree of a text that SQLite accepts.
pub(super) fn judge(twin: &Twin, schema: &Schema, text: &str, tokens: Vec<TokenWithSpan>) -> Result<Verdict, SqlError> {
    match tree(twin, schema, text, tokens) {
        Ok(tree) => Ok(Verdict::Judged(Box::new(tree))),
        Err(Doubt::Opaque(reason)) => Ok(Verdict::Opaque(reason)),
        Err(Doubt::Sqlite(error)) => Err(error),
    }
}

fn tree(twin: &Twin, schema: &Schema, text: &str, tokens: Vec<TokenWithSpan>) -> Result<Query, Doubt> {
    let parsed = parse(text, tokens)?;
    let (tree, views) = bind(&parsed, schema, Views::Read)?;
    if views.is_empty() {
        compare(twin, &parsed, &tree)?;
        return Ok(tree);
    }
    compare(twin, &parsed, &bind(&parsed, schema, Views::Named)?.0)?;
    for view in views {
        let parsed = parse_view(&view.sql)?;
        let named = bind(&parsed, schema, Views::Named)?.0;
        compare(twin, &parsed, &named)?;
    }
    Ok(tree)
}

/// Compares the program of a text with that of the print of its tree.
fn compare(twin: &Twin, parsed: &Parsed, tree: &Query) -> Result<(), Doubt> {
    let theirs = twin.program(&parsed.text).map_err(|error| Doubt::Sqlite(SqlError::from_sqlite(error)))?;
    let ours = twin.program(&tree.to_string()).map_err(|error| format!("its print is refused: {error}"))?;
    match theirs == ours {
        true => Ok(()),
        false => Err(Doubt::Opaque("SQLite reads it differently".into())),
    }
}
