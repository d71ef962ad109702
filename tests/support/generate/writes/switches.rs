//! What statements keep away from until souk does it right: each is to become true, and go.

/// `UPDATE t AS a ... RETURNING t.n`, DELETE likewise: RETURNING names the table whatever alias it has.
pub(super) const RETURNING_NAMES_THE_TABLE_BEHIND_ITS_ALIAS: bool = true;

/// `UPDATE t ... FROM u RETURNING n`, where both have an `n`: RETURNING sees the table that is changed alone.
pub(super) const RETURNING_BESIDE_FROM_NAMES_COLUMNS_ALONE: bool = true;

/// The rowid that was inserted last, by an INSERT of several rows of which the last is left out or becomes an update: it is that of a row before it, on whatever shard.
pub(super) const LAST_ROWID_IS_RIGHT_WHEN_THE_LAST_ROW_IS_LEFT_OUT: bool = true;

/// Ids of a replicated table that foreign keys name change in a statement that is run over whole tables (OR ROLLBACK, what reads sharded tables):
/// the row is not deleted and inserted anew, which is what a foreign key would see.
pub(super) const IDS_OF_REPLICATED_PARENTS_CHANGE: bool = true;

/// ON DELETE RESTRICT: a parent that is replaced by a row of the same key is not let go, where NO ACTION would find nothing amiss in the end.
pub(super) const RESTRICT_RESTRICTS: bool = true;

/// In a table without an INTEGER PRIMARY KEY rows get other shard keys while rows of the shard that they go to change too: a row that comes
/// takes no rowid that one of those has.
pub(super) const SEVERAL_ROWS_WITHOUT_ROWID_ALIAS_MOVE: bool = true;

/// `INSERT INTO t(rowid, ...)`, where `id INTEGER PRIMARY KEY` is the rowid.
pub(super) const INSERT_NAMES_THE_ROWID: bool = true;

/// `UNIQUE (...) ON CONFLICT IGNORE` in the table itself, which is refused.
pub(super) const TABLES_SAY_WHAT_BECOMES_OF_CONFLICTS: bool = false;
