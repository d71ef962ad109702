//! The same rows in a cluster and in one plain SQLite, and the checks that both answer alike.

use souk_coordinator::PlacementPolicy;
use souk_merge::Value;
use souk_proto::Reason;

use super::cluster::{Answer, Cluster, Failure, Options};
use super::expected::Expected;
use super::plain::Plain;
use super::table::Table;
use super::values::{Params, none, show_params, show_rows};

/// How a cluster is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// So many shards on a ring.
    Ring(u32),
    /// A shard for each key.
    Own,
}

/// What generated queries pick from, a layout a schema.
pub const LAYOUTS: [Layout; 8] = [
    Layout::Ring(7),
    Layout::Ring(2),
    Layout::Own,
    Layout::Ring(3),
    Layout::Ring(16),
    Layout::Ring(1),
    Layout::Ring(5),
    Layout::Ring(64),
];

/// What became of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The answers agree.
    Same,
    /// souk refuses the construct, for this reason.
    Refused(String),
    /// They differ, and how.
    Different(String),
}

/// Clusters of several layouts and a plain SQLite, with the same rows.
pub struct Oracle {
    pub plain: Plain,
    pub clusters: Vec<(Layout, Cluster)>,
}

impl Table {
    /// `sql` without the closing option; `rows` is a statement that gives the rows, for example `VALUES (1, 'a')`.
    pub fn sharded(sql: &str, shard_key: &str, rows: &str) -> Table {
        Table { shard_key: Some(shard_key.to_owned()), ..Table::replicated(sql, rows) }
    }

    pub fn replicated(sql: &str, rows: &str) -> Table {
        let name = sql.trim_start_matches("CREATE TABLE ").split('(').next().expect("a name").trim().to_owned();
        let rows = if rows.is_empty() { Vec::new() } else { Plain::new().query(rows, &none()).expect(rows).rows };
        Table { name, sql: sql.to_owned(), shard_key: None, rows }
    }
}

impl Layout {
    /// The layouts that answers must not depend on.
    pub const ALL: [Layout; 4] = [Layout::Ring(1), Layout::Ring(2), Layout::Ring(7), Layout::Ring(64)];

    fn start(self) -> Cluster {
        match self {
            Layout::Ring(shards) => Cluster::start(shards.clamp(1, 3) as usize, PlacementPolicy::Ring { shards }),
            Layout::Own => Cluster::start(2, PlacementPolicy::Own),
        }
    }
}

impl Oracle {
    /// The tables with their rows on both sides. `more` are statements for both sides, run before the rows come; triggers are made behind them.
    pub fn new(layouts: &[Layout], tables: &[Table], more: &[&str]) -> Oracle {
        let plain = Plain::new();
        tables.iter().for_each(|table| plain.execute(&table.sql));
        let (triggers, more): (Vec<&str>, Vec<&str>) = more.iter().partition(|sql| sql.starts_with("CREATE TRIGGER"));
        more.iter().for_each(|sql| plain.execute(sql));
        let clusters = layouts.iter().map(|layout| (*layout, layout.start())).collect();
        let oracle = Oracle { plain, clusters };
        let execute = |sql: &str| {
            for (_, cluster) in &oracle.clusters {
                cluster.execute(sql, &none()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
        };
        tables.iter().for_each(|table| execute(&table.distributed_sql()));
        more.into_iter().for_each(execute);
        tables.iter().for_each(|table| oracle.load(&table.name, &table.rows));
        for sql in triggers {
            oracle.plain.execute(sql);
            execute(sql);
        }
        oracle
    }

    /// Loads rows on both sides; every one must be taken.
    pub fn load(&self, table: &str, rows: &[Vec<Value>]) {
        let columns = self.plain.stored_columns(table);
        for row in rows {
            self.plain.insert(table, &columns, row).unwrap_or_else(|error| panic!("{table}: {row:?}: {error}"));
        }
        for (layout, cluster) in &self.clusters {
            let load =
                cluster.load(table, &columns, rows).unwrap_or_else(|error| panic!("{layout:?} {table}: {error:?}"));
            assert_eq!(load.rejected, [], "{layout:?} {table}: no row is rejected");
            assert_eq!(load.loaded, rows.len() as u64, "{layout:?} {table}: every row is counted");
        }
    }

    /// Compares both sides on every layout.
    pub fn verdicts(&self, sql: &str, params: &Params) -> Vec<(Layout, Verdict)> {
        let expected = Expected::of(&self.plain, sql, params);
        self.clusters
            .iter()
            .map(|(layout, cluster)| (*layout, compare(&expected, cluster.query(sql, params))))
            .collect()
    }

    /// Every layout answers as the plain SQLite does. Gives all answers' differences, so that one run shows them all.
    pub fn differences(&self, sql: &str, params: &Params) -> Vec<String> {
        let verdicts = self.verdicts(sql, params).into_iter();
        verdicts.filter_map(|(layout, verdict)| report(layout, sql, params, verdict, true)).collect()
    }

    /// All of these are answered exactly, errors among them.
    #[track_caller]
    pub fn exact<'a>(&self, statements: impl IntoIterator<Item = &'a str>) {
        let all: Vec<String> = statements.into_iter().flat_map(|sql| self.differences(sql, &none())).collect();
        assert!(all.is_empty(), "{} differences\n{}", all.len(), all.join("\n"));
    }

    /// As [`Oracle::exact`], each with parameters.
    #[track_caller]
    pub fn exact_with<'a>(&self, statements: impl IntoIterator<Item = (&'a str, Params)>) {
        let all: Vec<String> =
            statements.into_iter().flat_map(|(sql, params)| self.differences(sql, &params)).collect();
        assert!(all.is_empty(), "{} differences\n{}", all.len(), all.join("\n"));
    }

    /// Each of these is answered exactly or refused by name, never wrong. Gives the refusals.
    #[track_caller]
    pub fn never_wrong<'a>(&self, statements: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut refusals = Vec::new();
        let mut wrong = Vec::new();
        for sql in statements {
            for (layout, verdict) in self.verdicts(sql, &none()) {
                if let Verdict::Refused(reason) = &verdict {
                    refusals.push(format!("{layout:?} {sql}: {reason}"));
                }
                wrong.extend(report(layout, sql, &none(), verdict, false));
            }
        }
        assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
        refusals
    }

    /// SQLite accepts each of these; souk refuses it by name wherever there is more than one shard.
    #[track_caller]
    pub fn refused<'a>(&self, statements: impl IntoIterator<Item = &'a str>) {
        let mut wrong = Vec::new();
        for sql in statements {
            self.plain.query(sql, &none()).unwrap_or_else(|error| panic!("SQLite refuses {sql}: {error}"));
            for (layout, cluster) in self.clusters.iter().filter(|(layout, _)| *layout != Layout::Ring(1)) {
                match cluster.query(sql, &none()) {
                    Err(failure) if failure.reason == Some(Reason::UnsupportedSql) => {}
                    other => wrong.push(format!("{layout:?} {sql}: {other:?} instead of a refusal")),
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Every layout fails with this reason.
    #[track_caller]
    pub fn fails(&self, sql: &str, params: &Params, reason: Reason) {
        for (layout, cluster) in &self.clusters {
            match cluster.query(sql, params) {
                Err(failure) => assert_eq!(failure.reason, Some(reason), "{layout:?} {sql}: {failure:?}"),
                Ok(answer) => panic!("{layout:?} {sql}: gives {:?} instead of {reason}", answer.rows),
            }
        }
    }

    /// The answer on every layout to a request with a shard key is that of `scoped`, which holds that key's rows alone.
    pub fn scoped_differences(&self, scoped: &Plain, key: &Value, sql: &str) -> Vec<String> {
        let expected = Expected::of(scoped, sql, &none());
        let mut all = Vec::new();
        for (layout, cluster) in &self.clusters {
            let options = Options { shard_key: Some(key.clone()), ..Options::default() };
            let verdict = compare(&expected, cluster.query_with(sql, &none(), options));
            all.extend(report(*layout, sql, &none(), verdict, true).map(|text| format!("key {key:?}: {text}")));
        }
        all
    }
}

fn report(layout: Layout, sql: &str, params: &Params, verdict: Verdict, must_answer: bool) -> Option<String> {
    let what = match verdict {
        Verdict::Same => return None,
        Verdict::Refused(_) if !must_answer => return None,
        Verdict::Refused(reason) => format!("refused: {reason}"),
        Verdict::Different(what) => what,
    };
    let with = if params.is_empty() { String::new() } else { format!(" with {}", show_params(params)) };
    Some(format!("{layout:?} {sql}{with}\n  {what}"))
}

/// Compares one answer with what is expected.
pub fn compare(expected: &Expected, got: Result<Answer, Failure>) -> Verdict {
    let answer = match (got, &expected.answer) {
        (Err(failure), _) if failure.reason == Some(Reason::UnsupportedSql) => {
            return Verdict::Refused(failure.message);
        }
        (Err(failure), Err(_)) if failure.reason.is_some_and(|reason| reason != Reason::Internal) => {
            return Verdict::Same;
        }
        (Err(failure), _) => {
            return Verdict::Different(format!("fails with {failure:?}\n  expected: {}", expected.show()));
        }
        (Ok(answer), _) => answer,
    };
    let difference = expected.check(&answer.rows).err().or_else(|| {
        let wanted = expected.answer.as_ref().ok()?;
        match (answer.names == wanted.names, answer.declared == wanted.declared) {
            (true, true) => None,
            (false, _) => Some(format!("names {:?} instead of {:?}", answer.names, wanted.names)),
            (_, false) => Some(format!("declared types {:?} instead of {:?}", answer.declared, wanted.declared)),
        }
    });
    match difference {
        None => Verdict::Same,
        Some(what) => Verdict::Different(format!(
            "{what}\n  expected: {}\n  got: {} rows by {}\n{}",
            expected.show(),
            answer.rows.len(),
            answer.certificate.plan,
            show_rows(&answer.rows)
        )),
    }
}
