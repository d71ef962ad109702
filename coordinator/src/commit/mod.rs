//! Transactions over several shards: all of them do their part, or none does.
//!
//! Shards *prepare*: they run their parts, undo them, and keep durably what they promise; each is then closed to other writers. The
//! *ledger* decides, once and durably: that is the commit. Then shards are told, until all have done it. What nobody decided is
//! aborted by asking: whoever asks the ledger about a transaction that it does not know writes the abort there, so that a late decision
//! cannot revive it. The rules were checked by exhaustion; `tests/commit_model` has them.
//!
//! Not promised: isolation over shards while a decision is being carried out.
//!
//! - [`ledger`]: the decisions.
//! - [`transaction`]: one transaction from beginning to end.
//! - [`sweep`]: what others, or a crash, left half way.

mod ledger;
mod sweep;
mod transaction;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use souk_proto::Reason;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::catalog::StoreError;
use crate::error::{Error, Result};
use crate::locks::{COORDINATORS_MAX, Number};

pub(crate) use ledger::{Ended, NamedRequest};
pub(crate) use sweep::sweep;
pub(crate) use transaction::{Judged, Part, Work, commit};

use ledger::{Ledger, SqliteLedger};

/// A transaction's name: when it began, chance, and in its last four bits the number of the coordinator that drives it. No client chooses it.
pub(crate) type Name = Uuid;

/// How often is looked whether all is done.
const SETTLED_LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the transactions of a coordinator share.
pub(crate) struct Transactions {
    ledger: Arc<dyn Ledger>,
    /// Those that this coordinator is at: the sweeper leaves them alone.
    active: Mutex<HashSet<Name>>,
    coordinator: Arc<Number>,
}

/// Whose a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// This coordinator is at it.
    Here,
    /// This coordinator's, or that of one that had its number before: nobody is at it any more.
    Left,
    /// Another's that lives, and sees to it.
    Elsewhere,
    /// Another's that is gone.
    Gone,
}

impl Transactions {
    /// Waits until all that is committed by now is done on every shard.
    pub(crate) async fn settled(&self, until: Instant) -> Result<()> {
        let mut left = self.ledger.unfinished().await?;
        while !left.is_empty() {
            let unfinished = self.ledger.unfinished().await?;
            left.retain(|transaction| unfinished.contains(transaction));
            if Instant::now() >= until {
                let message = "a shard has not done yet what a transaction decided; try again when its node answers";
                return Err(Error::new(Reason::Overloaded, message));
            }
            sleep(SETTLED_LOOK_EVERY).await;
        }
        Ok(())
    }

    /// How many are committed and not known to be done on every shard.
    pub(crate) async fn unfinished(&self) -> Result<usize> {
        Ok(self.ledger.unfinished().await?.len())
    }

    /// What became of a named request, if it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Result<Option<Ended>> {
        failpoint!("request-unread");
        self.ledger.ended(id).await
    }

    /// What became of a named request, which ends now if it has not.
    pub(crate) async fn end(&self, id: &str) -> Result<Ended> {
        self.ledger.end(id).await
    }

    /// Opens the ledger, which is made when it is missing.
    pub(crate) fn open(file: &Path, coordinator: Arc<Number>) -> std::result::Result<Transactions, StoreError> {
        Ok(Transactions { ledger: Arc::new(SqliteLedger::open(file)?), active: Mutex::default(), coordinator })
    }

    /// Begins one: from now on this coordinator is at it.
    fn begin(&self) -> Name {
        let name = name(self.coordinator.get());
        self.active.lock().insert(name);
        name
    }

    fn driver(&self, name: Name) -> Result<Driver> {
        let coordinator = coordinator_of(name);
        Ok(if self.active.lock().contains(&name) {
            Driver::Here
        } else if coordinator == self.coordinator.get() {
            Driver::Left
        } else if self.coordinator.is_alive(coordinator)? {
            Driver::Elsewhere
        } else {
            Driver::Gone
        })
    }
}

/// A new name of a coordinator's.
fn name(coordinator: u8) -> Name {
    let mut bytes = Name::now_v7().into_bytes();
    bytes[15] = bytes[15] / COORDINATORS_MAX * COORDINATORS_MAX + coordinator;
    Name::from_bytes(bytes)
}

fn coordinator_of(name: Name) -> u8 {
    name.as_bytes()[15] % COORDINATORS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is() {
        for coordinator in 0..COORDINATORS_MAX {
            let name = name(coordinator);
            assert_eq!((coordinator_of(name), name.get_version_num()), (coordinator, 7));
        }
    }

    #[tokio::test]
    async fn what_is_left_is_known_by_who_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            let number = Number::claim(folder.path()).expect("a folder").expect("a number");
            Transactions::open(&folder.path().join("ledger.db"), Arc::new(number)).expect("a ledger")
        };
        let (first, second) = (open(), open());
        let name = first.begin();
        assert_eq!(first.driver(name), Ok(Driver::Here));
        assert_eq!(second.driver(name), Ok(Driver::Elsewhere));
        first.active.lock().remove(&name);
        assert_eq!(first.driver(name), Ok(Driver::Left));
        drop(first);
        assert_eq!(second.driver(name), Ok(Driver::Gone));
        assert_eq!(open().driver(name), Ok(Driver::Left), "who has its number sees to it");
        assert_eq!(second.driver(name), Ok(Driver::Gone));
    }
}
