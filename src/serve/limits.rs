//! The coordinator's bounds on what a request may take.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use souk_coordinator::Limits;

use crate::failure::Failure;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The bounds as typed.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// Bytes of a statement
    #[arg(long, env = "SOUK_STATEMENT_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    statement_bytes_max: Option<usize>,
    /// Tokens of a statement
    #[arg(long, env = "SOUK_STATEMENT_TOKENS_MAX", value_name = "N", help_heading = "Limits")]
    statement_tokens_max: Option<usize>,
    /// Rows of an answer
    #[arg(long, env = "SOUK_RESULT_ROWS_MAX", value_name = "ROWS", help_heading = "Limits")]
    result_rows_max: Option<u64>,
    /// Bytes of an answer's values
    #[arg(long, env = "SOUK_RESULT_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    result_bytes_max: Option<u64>,
    /// Bytes of values held at one place while merging
    #[arg(long, env = "SOUK_MERGE_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    merge_bytes_max: Option<u64>,
    /// Bytes of values that one query may gather
    #[arg(long, env = "SOUK_GATHER_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    gather_bytes_max: Option<u64>,
    /// Rows that one query may gather
    #[arg(long, env = "SOUK_GATHER_ROWS_MAX", value_name = "ROWS", help_heading = "Limits")]
    gather_rows_max: Option<u64>,
    /// Bytes of answers kept to be given again while nothing has changed; 0 keeps none
    #[arg(long, env = "SOUK_KEPT_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    kept_bytes_max: Option<u64>,
    /// Queries that run at a time; more wait, and past as many again are refused
    #[arg(long, env = "SOUK_QUERIES_MAX", value_name = "N", help_heading = "Limits")]
    queries_max: Option<usize>,
    /// Days for which is remembered what became of requests that their clients have named
    #[arg(long, env = "SOUK_REQUESTS_KEPT_DAYS", value_name = "DAYS", help_heading = "Limits")]
    requests_kept_days: Option<u32>,
    /// Time for a query that names no deadline
    #[arg(long, env = "SOUK_DEADLINE_MS_DEFAULT", value_name = "MS", help_heading = "Limits")]
    deadline_ms_default: Option<u32>,
    /// Time that a query may ask for
    #[arg(long, env = "SOUK_DEADLINE_MS_MAX", value_name = "MS", help_heading = "Limits")]
    deadline_ms_max: Option<u32>,
}

impl RawLimits {
    /// These, and for what is left open those of `below`.
    pub(super) fn over(self, below: RawLimits) -> RawLimits {
        RawLimits {
            statement_bytes_max: self.statement_bytes_max.or(below.statement_bytes_max),
            statement_tokens_max: self.statement_tokens_max.or(below.statement_tokens_max),
            result_rows_max: self.result_rows_max.or(below.result_rows_max),
            result_bytes_max: self.result_bytes_max.or(below.result_bytes_max),
            merge_bytes_max: self.merge_bytes_max.or(below.merge_bytes_max),
            gather_bytes_max: self.gather_bytes_max.or(below.gather_bytes_max),
            gather_rows_max: self.gather_rows_max.or(below.gather_rows_max),
            kept_bytes_max: self.kept_bytes_max.or(below.kept_bytes_max),
            queries_max: self.queries_max.or(below.queries_max),
            requests_kept_days: self.requests_kept_days.or(below.requests_kept_days),
            deadline_ms_default: self.deadline_ms_default.or(below.deadline_ms_default),
            deadline_ms_max: self.deadline_ms_max.or(below.deadline_ms_max),
        }
    }

    /// The bounds as meant: defaults filled in, none of them zero.
    pub(super) fn checked(self) -> Result<Limits, Failure> {
        let default = Limits::default();
        let limits = Limits {
            statement_bytes_max: positive(
                "statement_bytes_max",
                self.statement_bytes_max,
                default.statement_bytes_max,
            )?,
            statement_tokens_max: positive(
                "statement_tokens_max",
                self.statement_tokens_max,
                default.statement_tokens_max,
            )?,
            result_rows_max: positive("result_rows_max", self.result_rows_max, default.result_rows_max)?,
            result_bytes_max: positive("result_bytes_max", self.result_bytes_max, default.result_bytes_max)?,
            merge_bytes_max: positive("merge_bytes_max", self.merge_bytes_max, default.merge_bytes_max)?,
            gather_bytes_max: positive("gather_bytes_max", self.gather_bytes_max, default.gather_bytes_max)?,
            gather_rows_max: positive("gather_rows_max", self.gather_rows_max, default.gather_rows_max)?,
            kept_bytes_max: self.kept_bytes_max.unwrap_or(default.kept_bytes_max),
            queries_max: positive("queries_max", self.queries_max, default.queries_max)?,
            requests_kept_for: match positive("requests_kept_days", self.requests_kept_days, 0) {
                Ok(0) => default.requests_kept_for,
                Ok(days) => DAY * days,
                Err(failure) => return Err(failure),
            },
            deadline_ms_default: positive(
                "deadline_ms_default",
                self.deadline_ms_default,
                default.deadline_ms_default,
            )?,
            deadline_ms_max: positive("deadline_ms_max", self.deadline_ms_max, default.deadline_ms_max)?,
        };
        if limits.deadline_ms_default > limits.deadline_ms_max {
            return Err(Failure::Usage(format!(
                "`deadline_ms_default` is {}, above `deadline_ms_max` at {}",
                limits.deadline_ms_default, limits.deadline_ms_max
            )));
        }
        Ok(limits)
    }
}

fn positive<N: PartialEq + Default>(name: &str, typed: Option<N>, default: N) -> Result<N, Failure> {
    match typed {
        Some(value) if value == N::default() => Err(Failure::Usage(format!("`{name}` is 0: nothing could run"))),
        Some(value) => Ok(value),
        None => Ok(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_zero_is_refused_by_name() {
        let raw = RawLimits { queries_max: Some(0), ..RawLimits::default() };
        assert!(raw.checked().unwrap_err().text().unwrap().contains("queries_max"));
    }

    #[test]
    fn the_default_deadline_stays_under_its_ceiling() {
        let raw = RawLimits { deadline_ms_max: Some(10), ..RawLimits::default() };
        assert!(raw.checked().unwrap_err().text().unwrap().contains("deadline_ms_default"));
        let both = RawLimits { deadline_ms_max: Some(10), deadline_ms_default: Some(10), ..RawLimits::default() };
        assert_eq!(both.checked().unwrap().deadline_ms_default, 10);
    }
}
