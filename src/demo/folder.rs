//! The folder of a demonstration.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::failure::Failure;

/// A folder that was empty when it was taken; removed at the end, unless it is to be kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
    /// Whether it was there before: then only what is in it is removed.
    found: bool,
}

impl Folder {
    /// Takes the named folder, which must be empty or missing; none makes one among the temporary files.
    pub(super) fn take(named: Option<&Path>, keep: bool) -> Result<Folder, Failure> {
        let Some(path) = named else {
            let made =
                tempfile::Builder::new().prefix("souk-demo-").tempdir().context("cannot make a temporary folder")?;
            return Ok(Folder { path: made.keep(), keep, found: false });
        };
        let shown = path.display();
        let found = match fs::read_dir(path).map(Iterator::count) {
            Ok(1..) => {
                return Err(Failure::Usage(format!("`{shown}` is not empty: name an empty folder, or a new one")));
            }
            Ok(0) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path).with_context(|| format!("cannot make `{shown}`"))?;
                false
            }
            Err(error) => return Err(Failure::failed(format!("cannot use `{shown}`: {error}"))),
        };
        let path = path.canonicalize().with_context(|| format!("cannot use `{shown}`"))?;
        Ok(Folder { path, keep, found })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn remove(&self) -> io::Result<()> {
        if !self.found {
            return fs::remove_dir_all(&self.path);
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = self.remove()
        {
            eprintln!("warning: `{}` could not be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "mine").unwrap();
        let refused = Folder::take(Some(folder.path()), false).unwrap_err();
        assert!(refused.text().unwrap().contains("not empty"));
        assert!(folder.path().join("file").exists());
    }

    #[test]
    fn what_was_there_stays_there() {
        let parent = tempfile::tempdir().unwrap();
        drop(Folder::take(Some(&parent.path().join("new")), false).unwrap());
        assert!(!parent.path().join("new").exists());
        let found = Folder::take(Some(parent.path()), false).unwrap();
        fs::create_dir(found.path().join("n1")).unwrap();
        drop(found);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        let kept = Folder::take(Some(&parent.path().join("kept")), true).unwrap();
        drop(kept);
        assert!(parent.path().join("kept").exists());
    }
}
