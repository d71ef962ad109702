//! The INTEGER PRIMARY KEY of a sharded table, where rows leave it open: a shard that chose its value would choose one that another shard has.
//!
//! What is handed out grows with time and is never handed out twice: milliseconds since 2025, then 8 bits that count within one, then 4 bits for the
//! coordinator's number (there is one coordinator now, 0). That is 53 bits until the year 2094, so that JSON's numbers hold it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use souk_merge::{Batch, Value, ValueRef};

use crate::catalog::Store;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::sql::TableInfo;

/// 2025-01-01T00:00:00Z, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_735_689_600_000;

/// Numbers within a millisecond; more are taken from the next.
const PER_MS: i64 = 1 << 8;

/// Coordinators that may hand out.
const COORDINATORS: i64 = 1 << 4;

/// What is written down before it is handed out: so much time's. What a crash leaves of it is never handed out.
const RESERVED_AT_ONCE: Duration = Duration::from_secs(10);

/// Hands out rowids. What is reserved is looked up when the first is wanted.
#[derive(Default)]
pub(crate) struct Rowids(Mutex<Option<Reserved>>);

/// Numbers below `end` may be handed out; those below `next` were.
struct Reserved {
    next: i64,
    end: i64,
}

impl Rowids {
    /// So many, rising.
    fn take(&self, store: &Store, count: usize) -> Result<impl Iterator<Item = i64> + use<>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut known = self.0.lock();
        let reserved = match &mut *known {
            Some(reserved) => reserved,
            None => {
                // A clock that was set back hands out nothing twice.
                let next = store.rowids_reserved()?;
                known.insert(Reserved { next, end: next })
            }
        };
        let first = reserved.next.max(now());
        let end = first + count;
        if end > reserved.end {
            let ahead = i64::try_from(RESERVED_AT_ONCE.as_millis()).unwrap_or(i64::MAX) * PER_MS;
            store.reserve_rowids(end + ahead)?;
            reserved.end = end + ahead;
        }
        reserved.next = end;
        Ok((first..end).map(|number| number * COORDINATORS))
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let ms = u64::try_from(since).unwrap_or(u64::MAX).saturating_sub(EPOCH_MS);
    i64::try_from(ms).unwrap_or(0).saturating_mul(PER_MS)
}

/// Rows whose INTEGER PRIMARY KEY, if they have one, is not open.
pub(super) struct Numbered {
    pub(super) columns: Vec<String>,
    pub(super) rows: Batch,
    /// All of them were handed out: no shard has one of these.
    pub(super) all_new: bool,
}

/// The rows with what they leave open.
pub(super) fn with_rowids(
    cluster: &Cluster,
    table: &TableInfo,
    mut columns: Vec<String>,
    rows: Batch,
) -> Result<Numbered> {
    let alias = table.rowid_alias.filter(|_| table.key().is_some()).map(|alias| &table.columns[alias].name);
    let Some(alias) = alias else { return Ok(Numbered { columns, rows, all_new: false }) };
    let place = columns.iter().position(|column| column.eq_ignore_ascii_case(alias));
    let open = match place {
        None => rows.rows(),
        Some(place) => count_open(&rows, place),
    };
    if open == 0 && place.is_some() {
        return Ok(Numbered { columns, rows, all_new: false });
    }
    let mut rowids = cluster.rowids.take(&cluster.store, open)?;
    let place = place.unwrap_or(columns.len());
    let mut filled = Batch::new(rows.width().max(place + 1));
    if place == columns.len() {
        columns.push(alias.clone());
    }
    let mut cursor = rows.cursor();
    while cursor.advance() {
        let given = if place < rows.width() { cursor.value(place) } else { ValueRef::Null };
        let rowid = if given.is_null() { rowids.next().map_or(Value::Null, Value::Integer) } else { given.to_owned() };
        let before = (0..place).map(|column| cursor.value(column));
        let behind = (place + 1..rows.width()).map(|column| cursor.value(column));
        filled.push_row(before.chain([rowid.as_ref()]).chain(behind));
    }
    Ok(Numbered { columns, rows: filled, all_new: open == rows.rows() })
}

fn count_open(rows: &Batch, column: usize) -> usize {
    let (mut cursor, mut open) = (rows.cursor(), 0);
    while cursor.advance() {
        open += usize::from(cursor.value(column).is_null());
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::PlacementPolicy;

    #[test]
    fn what_is_handed_out_grows_over_restarts_and_clocks() {
        let folder = tempfile::tempdir().expect("a folder");
        let open =
            || Store::open(&folder.path().join("store.db"), PlacementPolicy::Own, &["n".into()]).expect("a store");
        let store = open();
        let rowids = Rowids::default();
        let mut last = 0;
        for count in [1, 5000, 1, 300] {
            let taken: Vec<i64> = rowids.take(&store, count).expect("rowids").collect();
            assert_eq!(taken.len(), count);
            assert!(taken[0] > last && taken.windows(2).all(|pair| pair[0] < pair[1]));
            last = taken[count - 1];
        }
        assert!(last < 1 << 53);
        drop(store);
        let store = open();
        // As if the clock had been set back before all that was reserved.
        let next = Rowids::default().take(&store, 1).expect("a rowid").next().expect("one");
        assert!(next > last);
        store.reserve_rowids(1 << 48).expect("reserved");
        assert_eq!(Rowids::default().take(&store, 1).expect("a rowid").next(), Some((1 << 48) * COORDINATORS));
    }
}
