//! Where the prompt remembers what was typed.

use std::{env, fs, path::PathBuf};

/// The history's file: in `XDG_STATE_HOME`, else in `~/.local/state`. None when it cannot be had: the prompt then
/// remembers for as long as it runs.
pub(super) fn file() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local").join("state")))?;
    let folder = state.join("souk");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
