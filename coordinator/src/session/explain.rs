//! How a SELECT is answered: asked by a call of its own, or as SQL (`EXPLAIN [ANALYZE] SELECT ...`).

use souk_merge::{Batch, ValueRef};
use souk_proto::Reason;
use tokio::time::Instant;

use super::{Answer, Keep, Planned, QueryRequest, Session, answered};
use crate::error::{Error, Result};
use crate::exec::{Ending, Event, Facts, Trace};
use crate::plan::{Explained, Ran, Step, explain};

/// How a SELECT is answered.
pub(crate) struct Explanation {
    pub(crate) root: Step,
    /// Why the text has no tree that is believed.
    pub(crate) opaque: Option<String>,
    pub(crate) facts: Facts,
    /// When it was run.
    pub(crate) ran: Option<Run>,
}

/// What is left of a run whose rows were thrown away.
pub(crate) struct Run {
    pub(crate) rows: u64,
    pub(crate) ending: Ending,
}

impl Session {
    /// Explains a SELECT; to `analyze` it runs it too.
    pub(crate) async fn explain(&self, request: QueryRequest, analyze: bool) -> Result<Explanation> {
        let _turn = if analyze { Some(self.cluster.turn().await?) } else { None };
        let started = Instant::now();
        let options = request.options;
        let planned = self.plan(request, started).await?;
        if !analyze {
            return Ok(explanation(planned, None, None));
        }
        let planning = started.elapsed();
        let trace = Trace::on();
        let Planned { plan, prepared, snapshot, .. } = &planned;
        let keep = Keep::at_nodes(prepared.repeats);
        let mut events = self.start(plan.clone(), snapshot, started, options, keep, trace.clone());
        let mut run = Run { rows: 0, ending: Ending::default() };
        while let Some(event) = events.recv().await {
            match event? {
                Event::Rows(batch) => run.rows += batch.rows() as u64,
                Event::End(ending) => run.ending = ending,
            }
        }
        let measurements = trace.measurements();
        Ok(explanation(planned, Some(Ran { planning, measurements: &measurements }), Some(run)))
    }

    /// The explanation as rows.
    pub(super) async fn explained(&self, request: QueryRequest, analyze: bool) -> Result<Answer> {
        let Explanation { root, facts, ran, .. } = self.explain(request, analyze).await?;
        let mut batch = Batch::new(1);
        root.to_string().lines().for_each(|line| batch.push_row([ValueRef::Text(line.as_bytes())]));
        let columns = vec![("plan".to_owned(), Some("TEXT".to_owned()))];
        // Without a run no shard is asked.
        let (facts, ending) = match ran {
            Some(run) => (facts, run.ending),
            None => {
                (Facts { plan: "explain", asked: 0, pruned: facts.asked + facts.pruned, ..facts }, Ending::default())
            }
        };
        Ok(answered(columns, vec![batch], ending, facts, None))
    }
}

fn explanation(planned: Planned, ran: Option<Ran<'_>>, run: Option<Run>) -> Explanation {
    let Planned { plan, facts, prepared, snapshot } = planned;
    let root = explain(&Explained {
        plan: &plan,
        columns: &prepared.columns,
        opaque: prepared.opaque.as_deref(),
        shards: snapshot.topology.shard_count(),
        ran,
    });
    Explanation { root, opaque: prepared.opaque.clone(), facts, ran: run }
}

/// A statement behind EXPLAIN.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explain<'a> {
    pub(super) analyze: bool,
    pub(super) sql: &'a str,
}

/// Reads the words before a statement; none when it is not to be explained.
pub(super) fn read(sql: &str) -> Result<Option<Explain<'_>>> {
    let Some(rest) = after_word(sql, "EXPLAIN") else { return Ok(None) };
    if after_word(rest, "QUERY").is_some_and(|rest| after_word(rest, "PLAN").is_some()) {
        let message = "EXPLAIN QUERY PLAN says how one SQLite would read its tables; use EXPLAIN, which says how the shards \
                       are asked, or EXPLAIN ANALYZE, which also says what that takes";
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    let (analyze, sql) = match after_word(rest, "ANALYZE") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let sql = after_space(sql);
    match sql.trim_end_matches(';') {
        "" => Err(Error::new(Reason::SqlSyntax, "EXPLAIN has no SELECT behind it")),
        _ => Ok(Some(Explain { analyze, sql })),
    }
}

/// What follows when the text begins with this keyword.
fn after_word<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let text = after_space(text);
    let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '$') || !char.is_ascii();
    let end = text.find(|char| !is_word(char)).unwrap_or(text.len());
    text[..end].eq_ignore_ascii_case(keyword).then(|| &text[end..])
}

/// The text without the white space and the comments before it, as SQLite reads them.
fn after_space(text: &str) -> &str {
    let mut text = text;
    loop {
        text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '\u{feff}']);
        let behind = |comment: &'static str, end: &str| {
            let inside = text.strip_prefix(comment)?;
            Some(inside.find(end).map_or("", |at| &inside[at + end.len()..]))
        };
        match behind("--", "\n").or_else(|| behind("/*", "*/")) {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_is_read_as_a_word() {
        let check = |sql, expected: Option<(bool, &str)>| {
            let expected = expected.map(|(analyze, sql)| Explain { analyze, sql });
            assert_eq!(read(sql), Ok(expected), "{sql}");
        };
        check("EXPLAIN SELECT 1", Some((false, "SELECT 1")));
        check(" -- x\n/* explain */ explain/**/analyze\tSELECT 1;", Some((true, "SELECT 1;")));
        check("EXPLAIN VALUES('analyze')", Some((false, "VALUES('analyze')")));
        check("EXPLAIN QUERY", Some((false, "QUERY")));
        check("SELECT 'EXPLAIN SELECT 1'", None);
        check("'EXPLAIN' SELECT 1", None);
        check("EXPLAINED", None);
        check("\"EXPLAIN\" SELECT 1", None);
        check("/* EXPLAIN SELECT 1", None);
    }

    #[test]
    fn what_cannot_be_explained_says_so() {
        let reason = |sql| read(sql).map_err(|error| error.reason);
        assert_eq!(reason("explain Query /**/ plan SELECT 1"), Err(Reason::UnsupportedSql));
        assert_eq!(reason("EXPLAIN ANALYZE ; -- nothing"), Ok(Some(Explain { analyze: true, sql: "; -- nothing" })));
        assert_eq!(reason("EXPLAIN ANALYZE /* nothing */"), Err(Reason::SqlSyntax));
        assert_eq!(reason("EXPLAIN;"), Err(Reason::SqlSyntax));
    }
}
