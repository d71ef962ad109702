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

pub(crate) use ledger::{Ended, NamedRequest};
pub(crate) use sweep::sweep;
pub(crate) use transaction::{Judged, Part, Work, commit};

use ledger::{Ledger, SqliteLedger};

/// A transaction's name: when it began, and chance. No client chooses it, so that one coordinator alone drives it.
pub(crate) type Name = Uuid;

/// How often is looked whether all is done.
const SETTLED_LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the transactions of a coordinator share.
pub(crate) struct Transactions {
    ledger: Arc<dyn Ledger>,
    /// Those that this coordinator is at: the sweeper leaves them alone.
    active: Mutex<HashSet<Name>>,
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
    pub(crate) fn open(file: &Path) -> std::result::Result<Transactions, StoreError> {
        Ok(Transactions { ledger: Arc::new(SqliteLedger::open(file)?), active: Mutex::default() })
    }
}
