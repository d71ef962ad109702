//! Locks that the coordinators of a folder share: among the tasks of a process one of tokio's, among processes the system's on a file, which
//! lets go of it when its process ends, however that ends.
//!
//! Who wants a lock alone first takes a second file, NAME.next, by which those pass who share it: so nobody waits for ever because others come and go.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::sleep;

use crate::error::{Error, Result};

/// How often is looked whether a file is free: the system tells nobody.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Coordinators that may share a folder.
pub(crate) const COORDINATORS_MAX: u8 = 16;

/// A lock.
pub(crate) struct Lock {
    here: Arc<RwLock<()>>,
    file: PathBuf,
    next: PathBuf,
    /// Of those in this process who wait for a file one looks whether it is free.
    looking: Mutex<()>,
}

/// Held together with others who share it.
#[derive(Debug)]
pub(crate) struct Shared {
    // Let go of first, so that in this process nobody waits for the file alone.
    _file: File,
    _here: OwnedRwLockReadGuard<()>,
}

/// Held by nobody else.
#[derive(Debug)]
pub(crate) struct Alone {
    _file: File,
    _here: OwnedRwLockWriteGuard<()>,
}

impl Lock {
    /// A lock of a folder, by its name.
    pub(crate) fn new(folder: &Path, name: &str) -> Lock {
        let file = |ending: &str| folder.join(format!("{name}.{ending}"));
        Lock { here: Arc::default(), file: file("lock"), next: file("next"), looking: Mutex::default() }
    }

    /// Waits until nobody has it alone.
    pub(crate) async fn shared(&self) -> Result<Shared> {
        let here = Arc::clone(&self.here).read_owned().await;
        // Behind those who wait to have it alone.
        let _turn = self.wait(&self.next, File::try_lock_shared).await?;
        Ok(Shared { _file: self.wait(&self.file, File::try_lock_shared).await?, _here: here })
    }

    /// Waits until nobody has it.
    pub(crate) async fn alone(&self) -> Result<Alone> {
        let here = Arc::clone(&self.here).write_owned().await;
        let _turn = self.wait(&self.next, File::try_lock).await?;
        Ok(Alone { _file: self.wait(&self.file, File::try_lock).await?, _here: here })
    }

    /// Waits until a file can be locked.
    async fn wait(&self, path: &Path, lock: impl Fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
        let broken = |error: io::Error| Error::internal(format!("the lock `{}`: {error}", path.display()));
        let file = open(path).map_err(broken)?;
        let is_locked = || match lock(&file) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(broken(error)),
        };
        if !is_locked()? {
            let _looking = self.looking.lock().await;
            while !is_locked()? {
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(file)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// Locks a file, waiting for it: for what takes a moment, before anything is served.
pub(crate) fn lock_now(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    file.lock()?;
    Ok(file)
}

/// A number that this coordinator alone has among those of its folder, as long as it lives.
#[derive(Debug)]
pub(crate) struct Number {
    folder: PathBuf,
    number: u8,
    _claim: File,
}

impl Number {
    /// The first that is free; none when there is none.
    pub(crate) fn claim(folder: &Path) -> io::Result<Option<Number>> {
        for number in 0..COORDINATORS_MAX {
            let claim = open(&claim_file(folder, number))?;
            match claim.try_lock() {
                Ok(()) => return Ok(Some(Number { folder: folder.to_owned(), number, _claim: claim })),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    pub(crate) fn get(&self) -> u8 {
        self.number
    }

    /// Whether the coordinator with a number is there.
    pub(crate) fn is_alive(&self, number: u8) -> Result<bool> {
        let path = claim_file(&self.folder, number);
        let broken = |error: io::Error| Error::internal(format!("the lock `{}`: {error}", path.display()));
        match open(&path).map_err(broken)?.try_lock_shared() {
            Ok(()) => Ok(number == self.number),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(broken(error)),
        }
    }
}

fn claim_file(folder: &Path, number: u8) -> PathBuf {
    folder.join(format!("coordinator-{number}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_free<T>(lock: impl Future<Output = Result<T>>) -> bool {
        tokio::time::timeout(Duration::from_millis(50), lock).await.is_ok_and(|held| held.is_ok())
    }

    /// As two processes have it: each opens the files by itself.
    #[tokio::test]
    async fn it_is_had_alone_or_shared() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = [0, 1].map(|_| Lock::new(folder.path(), "writing"));
        let shared = (one.shared().await.expect("a lock"), other.shared().await.expect("the lock"));
        assert!(!is_free(one.alone()).await && !is_free(other.alone()).await);
        drop(shared);
        let alone = one.alone().await.expect("the lock");
        assert!(!is_free(one.shared()).await && !is_free(other.shared()).await && !is_free(other.alone()).await);
        drop(alone);
        assert!(is_free(other.alone()).await && is_free(one.shared()).await);
    }

    #[tokio::test]
    async fn who_wants_it_alone_is_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = [0, 1].map(|_| Arc::new(Lock::new(folder.path(), "writing")));
        let shared = one.shared().await.expect("a lock");
        let waiting = tokio::spawn({
            let other = Arc::clone(&other);
            async move { other.alone().await }
        });
        while is_free(one.shared()).await {}
        drop(shared);
        drop(waiting.await.expect("it ran").expect("the lock"));
        assert!(is_free(one.shared()).await);
    }

    #[test]
    fn a_number_is_had_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let claim = || Number::claim(folder.path()).expect("a folder").expect("a number");
        let (first, second) = (claim(), claim());
        assert_eq!((first.get(), second.get()), (0, 1));
        let alive = |number| second.is_alive(number).expect("an answer");
        assert_eq!([0, 1, 2].map(alive), [true, true, false]);
        drop(first);
        assert!(!alive(0));
        assert_eq!(claim().get(), 0);
    }
}
