//! Both sides with the same rows: souk's nodes and coordinator in this process, and one SQLite in memory.

use std::time::Instant;

use anyhow::anyhow;
use souk_coordinator::PlacementPolicy;
use souk_merge::Value;
use souk_proto::v1;

use crate::{
    support::{Answer, Cluster, Failure, Options, Plain, none},
    tables::{INDICES, Rows, TABLES, Table},
};

/// Rows that are held while they are loaded.
const ROWS_A_LOAD: usize = 20_000;

/// For the slowest query on a slow machine: the coordinator's default is half a minute.
const DEADLINE_MS: u32 = 600_000;

/// Parameters by name.
type Parameters = Vec<(String, Value)>;

/// Who answers.
pub(crate) struct Sides {
    souk: Cluster,
    sqlite: Plain,
}

impl Sides {
    /// Makes both sides and fills them. What goes wrong here panics, as in a test.
    pub(crate) fn fill(scale: f64, nodes: u32, shards: u32) -> Sides {
        let souk = Cluster::start_forgetful(nodes as usize, PlacementPolicy::Ring { shards });
        let sides = Sides { souk, sqlite: Plain::new() };
        for table in &TABLES {
            let started = Instant::now();
            let rows = sides.fill_table(table, (table.rows)(scale));
            eprintln!("{}: {rows} rows in {:.1?}", table.name, started.elapsed());
        }
        for sql in INDICES {
            sides.execute(sql, sql);
        }
        sides
    }

    /// Gives how many rows there are.
    fn fill_table(&self, table: &Table, mut rows: Rows) -> usize {
        let placement = table.shard_key.map_or("REPLICATED".to_owned(), |key| format!("SHARD KEY ({key})"));
        self.execute(&format!("{} {placement}", table.sql), table.sql);
        let columns = self.sqlite.stored_columns(table.name);
        let mut all = 0;
        loop {
            let some: Vec<Vec<Value>> = rows.by_ref().take(ROWS_A_LOAD).collect();
            if some.is_empty() {
                return all;
            }
            all += some.len();
            self.load(table.name, &columns, &some);
        }
    }

    fn load(&self, table: &str, columns: &[String], rows: &[Vec<Value>]) {
        let load = self.souk.load(table, columns, rows).unwrap_or_else(|error| panic!("{table}: {error:?}"));
        assert_eq!((load.loaded, load.rejected), (rows.len() as u64, Vec::new()), "{table}: every row is taken");
        self.sqlite.execute("BEGIN");
        for row in rows {
            self.sqlite.insert(table, columns, row).unwrap_or_else(|error| panic!("{table}: {error}"));
        }
        self.sqlite.execute("COMMIT");
    }

    fn execute(&self, souk: &str, sqlite: &str) {
        self.souk.execute(souk, &none()).unwrap_or_else(|error| panic!("{souk}: {error:?}"));
        self.sqlite.execute(sqlite);
    }

    /// The one SQLite.
    pub(crate) fn sqlite(&self) -> &Plain {
        &self.sqlite
    }

    /// Asks souk.
    pub(crate) fn souk(&self, sql: &str, parameters: &Parameters) -> anyhow::Result<Answer> {
        let options = Options { query: options(), ..Options::default() };
        self.souk.query_with(sql, parameters, options).map_err(failed)
    }

    /// Runs a query at souk and gives what its steps took.
    pub(crate) fn explain(&self, sql: &str, parameters: &Parameters) -> anyhow::Result<v1::ExplainResponse> {
        let parameters = parameters.iter();
        let parameters =
            parameters.map(|(name, value)| v1::Parameter { name: name.clone(), value: Some(value.into()) });
        let request = v1::ExplainRequest {
            sql: sql.to_owned(),
            parameters: parameters.collect(),
            analyze: true,
            options: Some(options()),
            ..v1::ExplainRequest::default()
        };
        self.souk.explain_with(request).map_err(failed)
    }
}

fn options() -> v1::QueryOptions {
    v1::QueryOptions { deadline_ms: DEADLINE_MS, ..v1::QueryOptions::default() }
}

fn failed(failure: Failure) -> anyhow::Error {
    anyhow!("souk fails: {failure:?}")
}
