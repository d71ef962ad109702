//! A peer's folder: its data is loaded once and kept as long as it would be loaded the same way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::server::{is_root, run};

/// The folder of a peer.
pub(crate) struct Folder {
    path: PathBuf,
    /// How the data is set up.
    layout: String,
}

impl Folder {
    /// The folder `name` within that of the data.
    pub(crate) fn within(data: &Path, name: &str, layout: String) -> Folder {
        Folder { path: data.join(name), layout }
    }

    /// A path within it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether data with this layout is there.
    pub(crate) fn is_complete(&self) -> bool {
        fs::read_to_string(self.mark()).is_ok_and(|layout| layout == self.layout)
    }

    /// Leaves nothing in it, and gives it to a user.
    pub(crate) fn empty(&self, user: &str) -> anyhow::Result<()> {
        eprintln!("making `{}`", self.path.display());
        if self.path.exists() {
            fs::remove_dir_all(&self.path).with_context(|| format!("cannot remove `{}`", self.path.display()))?;
        }
        fs::create_dir_all(&self.path)?;
        if is_root()? { run("chown", |chown| chown.arg(user).arg(&self.path)) } else { Ok(()) }
    }

    /// Says that all is there.
    pub(crate) fn complete(&self) -> anyhow::Result<()> {
        Ok(fs::write(self.mark(), &self.layout)?)
    }

    fn mark(&self) -> PathBuf {
        self.path.join("complete")
    }
}
