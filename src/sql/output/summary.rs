//! The line behind an answer: how many rows, how long, by which plan, and which shards stand behind it.

use std::{
    io::{self, Write},
    time::Duration,
};

use souk_proto::v1::Certificate;

use super::Format;
use crate::failure::printable;

/// Failed shards that are named one by one.
const FAILURES_SHOWN: usize = 10;

/// For example `10 rows in 12.3 ms · scatter · asked 1000, answered 1000, pruned 0`.
pub(crate) fn summary(certificate: &Certificate, elapsed: Duration) -> String {
    let Certificate { plan, asked, answered, pruned, failed, rows, kept, skipped, .. } = certificate;
    let rows = counted(*rows, "row");
    let mut line =
        format!("{rows} in {} · {plan} · asked {asked}, answered {answered}, pruned {pruned}", time(elapsed));
    for (word, shards) in [("kept", kept), ("skipped", skipped)] {
        if *shards > 0 {
            line += &format!(", {word} {shards}");
        }
    }
    if !failed.is_empty() {
        line += &format!(", failed {}", failed.len());
    }
    line
}

/// A line for each shard that is missing from a partial answer.
pub(crate) fn failures(certificate: &Certificate) -> String {
    let shown = certificate.failed.iter().take(FAILURES_SHOWN);
    let mut lines: String = shown
        .map(|failure| {
            format!(
                "missing: shard {} on node {}: {}: {}\n",
                failure.shard, failure.node, failure.reason, failure.message
            )
        })
        .collect();
    if certificate.failed.len() > FAILURES_SHOWN {
        lines += &format!("missing: {} shards more\n", certificate.failed.len() - FAILURES_SHOWN);
    }
    printable(&lines)
}

/// Writes summary and failures: behind a table to stdout, else to stderr, so that stdout holds nothing but rows.
pub(crate) fn write_summary(format: Format, text: &str, failures: &str) -> io::Result<()> {
    if format == Format::Table {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}\n{failures}")?;
        return out.flush();
    }
    // Whole lines in one call, so that they do not mix with another process's.
    eprint!("{text}\n{failures}");
    Ok(())
}

/// For example `1 row` or `2 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A duration in the unit that suits it.
pub(crate) fn time(elapsed: Duration) -> String {
    let ms = elapsed.as_secs_f64() * 1000.0;
    if ms < 1000.0 { format!("{ms:.1} ms") } else { format!("{:.2} s", ms / 1000.0) }
}

#[cfg(test)]
mod tests {
    use souk_proto::v1::ShardFailure;

    use super::*;

    fn certificate() -> Certificate {
        Certificate { plan: "scatter".into(), asked: 1000, answered: 1000, rows: 10, ..Certificate::default() }
    }

    #[test]
    fn the_line_names_plan_and_shards() {
        let line = summary(&certificate(), Duration::from_micros(12_345));
        assert_eq!(line, "10 rows in 12.3 ms · scatter · asked 1000, answered 1000, pruned 0");
        assert_eq!(failures(&certificate()), "");
        let kept = summary(&Certificate { kept: 988, ..certificate() }, Duration::from_micros(900));
        assert_eq!(kept, "10 rows in 0.9 ms · scatter · asked 1000, answered 1000, pruned 0, kept 988");
    }

    #[test]
    fn missing_shards_are_counted_and_named() {
        let failure = ShardFailure { shard: 7, node: "n1".into(), reason: "DEADLINE".into(), message: "late".into() };
        let partial = Certificate { answered: 988, failed: vec![failure; 12], rows: 1, ..certificate() };
        let line = summary(&partial, Duration::from_millis(1500));
        assert_eq!(line, "1 row in 1.50 s · scatter · asked 1000, answered 988, pruned 0, failed 12");
        let lines = failures(&partial);
        assert_eq!(lines.lines().count(), 11);
        assert!(lines.starts_with("missing: shard 7 on node n1: DEADLINE: late\n"));
        assert!(lines.ends_with("missing: 2 shards more\n"));
    }
}
