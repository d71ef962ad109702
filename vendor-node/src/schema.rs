//! The schema log: every change of the schema since the first, numbered from 1 without gaps.

use souk_proto::Reason;

use crate::error::Fault;

/// One change of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// SQLite's SQL; may be several statements.
    pub(crate) sql: String,
}

/// All changes in order; the version of a schema is how many of them it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaLog {
    changes: Vec<Change>,
}

impl SchemaLog {
    /// A log from its numbered changes, checked.
    pub(crate) fn from_numbered(numbered: impl IntoIterator<Item = (u64, String)>) -> Result<SchemaLog, Fault> {
        let mut log = SchemaLog::default();
        for (version, sql) in numbered {
            if version != log.version() + 1 {
                let wanted = log.version() + 1;
                return Err(Fault::invalid(format!(
                    "schema change `{version}` stands where `{wanted}` must: send the whole log"
                )));
            }
            log.changes.push(Change { sql });
        }
        Ok(log)
    }

    /// The number of the last change; 0 before the first.
    pub(crate) fn version(&self) -> u64 {
        self.changes.len() as u64
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes after `version`; none when the log does not reach it.
    pub(crate) fn after(&self, version: u64) -> Option<&[Change]> {
        self.changes.get(usize::try_from(version).ok()?..)
    }

    /// Refuses a `longer` log that does not begin with this one.
    pub(crate) fn check_extended_by(&self, longer: &SchemaLog) -> Result<(), Fault> {
        if longer.changes.starts_with(&self.changes) {
            return Ok(());
        }
        let same = self.changes.iter().zip(&longer.changes).take_while(|(held, given)| held == given).count();
        let what = if same == longer.changes.len() { "ends before" } else { "differs from" };
        Err(Fault::new(
            Reason::SchemaMismatch,
            format!(
                "the schema log given {what} change {} of the {} that the node holds: send the whole log of this cluster",
                same + 1,
                self.version()
            ),
        ))
    }

    /// Refuses a call that was planned for another version.
    pub(crate) fn check_version(&self, planned: u64, node: &str) -> Result<(), Fault> {
        if planned == self.version() {
            return Ok(());
        }
        let held = self.version();
        Err(Fault::new(
            Reason::SchemaMismatch,
            format!(
                "the call was planned for schema {planned}, node `{node}` is at {held}: apply the schema and plan again"
            ),
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn log(statements: &[&str]) -> SchemaLog {
        SchemaLog::from_numbered((1..).zip(statements.iter().map(|sql| sql.to_string()))).unwrap()
    }

    #[test]
    fn a_gap_is_refused() {
        let fault = SchemaLog::from_numbered([(1, "a".into()), (3, "c".into())]).unwrap_err();
        assert_eq!(fault.reason, Reason::InvalidArgument);
        assert!(fault.message.contains("`3`"), "{fault}");
    }

    #[test]
    fn a_log_is_extended_only_by_one_that_begins_with_it() {
        let held = log(&["a", "b"]);
        assert!(held.check_extended_by(&log(&["a", "b"])).is_ok());
        assert!(held.check_extended_by(&log(&["a", "b", "c"])).is_ok());
        for other in [log(&[]), log(&["a"]), log(&["a", "x"]), log(&["x", "b", "c"])] {
            assert_eq!(held.check_extended_by(&other).unwrap_err().reason, Reason::SchemaMismatch);
        }
    }

    #[test]
    fn what_is_missing_is_the_tail() {
        let held = log(&["a", "b"]);
        assert_eq!(held.after(1).map(<[Change]>::len), Some(1));
        assert_eq!(held.after(2).map(<[Change]>::len), Some(0));
        assert!(held.after(3).is_none());
    }
}
