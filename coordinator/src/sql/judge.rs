//! The judge: a tree is believed when SQLite compiles its print to the same program as the user's text.

use super::SqlError;
use super::ast::Query;
use super::twin::Twin;

/// Whether the tree means what the text means.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// SQLite reads the tree's print as it reads the text.
    Judged(Box<Query>),
    /// No tree that can be believed, and why.
    Opaque(String),
}

/// Compares the program of `text` with that of the print of `tree`.
pub(crate) fn judge(twin: &Twin, text: &str, tree: Query) -> Result<Verdict, SqlError> {
    let theirs = twin.program(text).map_err(SqlError::from_sqlite)?;
    let ours = match twin.program(&tree.to_string()) {
        Ok(program) => program,
        Err(error) => return Ok(Verdict::Opaque(format!("its print is refused: {error}"))),
    };
    if theirs == ours {
        return Ok(Verdict::Judged(Box::new(tree)));
    }
    Ok(Verdict::Opaque("SQLite reads it differently".into()))
}
