//! What the plain SQLite holds: schema and rows, as a cluster is to have them.

use souk_merge::Value;

use crate::support::{Plain, none, positional};

/// Schema and rows at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) tables: Vec<Table>,
    /// Indexes and views, in the order in which they were made.
    pub(crate) others: Vec<String>,
    /// Made when the rows are there: loading them fires none.
    pub(crate) triggers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) sql: String,
    /// The shard key's place among `columns`; none when no column can be one.
    pub(crate) key: Option<usize>,
    /// Its UNIQUE indexes have no column in common: the cluster, whose shards could not enforce them, has them without the word.
    pub(crate) loosened: bool,
    /// All but generated ones.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl State {
    pub(crate) fn of(plain: &Plain) -> State {
        let objects = strings(
            plain,
            "SELECT type, name, tbl_name, sql FROM sqlite_schema \
             WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
            &[],
        );
        let mut state = State { tables: Vec::new(), others: Vec::new(), triggers: Vec::new() };
        for object in objects {
            let [kind, name, table, sql] = object.try_into().expect("four columns");
            match kind.as_str() {
                "trigger" => state.triggers.push(sql),
                "table" => state.tables.push(Table::of(plain, name, sql)),
                _ if state.is_loosened(&table) => {
                    state.others.push(sql.replacen("CREATE UNIQUE INDEX", "CREATE INDEX", 1))
                }
                _ => state.others.push(sql),
            }
        }
        state
    }

    pub(crate) fn statements(&self) -> Vec<String> {
        self.tables.iter().map(Table::distributed_sql).chain(self.others.iter().cloned()).collect()
    }

    fn is_loosened(&self, table: &str) -> bool {
        self.tables.iter().any(|known| known.loosened && known.name.eq_ignore_ascii_case(table))
    }

    /// The values of all shard keys; some are several times in it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Value> {
        self.tables.iter().flat_map(|table| {
            let key = table.key;
            table.rows.iter().filter_map(move |row| key.map(|key| &row[key]))
        })
    }
}

impl Table {
    fn of(plain: &Plain, name: String, sql: String) -> Table {
        let columns = strings(plain, "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0", &[&name]);
        let columns: Vec<String> = columns.into_iter().flatten().collect();
        let (key, loosened) = match key(plain, &name, &columns, true) {
            Some(key) => (Some(key), false),
            None => (key(plain, &name, &columns, false), true),
        };
        let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let select = format!("SELECT {} FROM {}", list.join(", "), quote(&name));
        let rows = plain.query(&select, &none()).expect("the rows of a table").rows;
        Table { name, sql, key, loosened: loosened && key.is_some(), columns, rows }
    }

    fn distributed_sql(&self) -> String {
        match self.key {
            Some(key) => format!("{} SHARD KEY ({})", self.sql, quote(&self.columns[key])),
            None => format!("{} REPLICATED", self.sql),
        }
    }
}

/// The first column that is in every UNIQUE and PRIMARY KEY, those of a CREATE UNIQUE INDEX among them or not, and whose values are
/// equal only when they are the same.
fn key(plain: &Plain, table: &str, columns: &[String], indexes: bool) -> Option<usize> {
    let origins = if indexes { "" } else { " AND origin <> 'c'" };
    let sql = format!("SELECT name FROM pragma_index_list(?1) WHERE \"unique\"{origins}");
    let unique = strings(plain, &sql, &[table]);
    let unique: Vec<Vec<String>> = unique
        .into_iter()
        .flatten()
        .map(|index| {
            let names = "SELECT name FROM pragma_index_info(?1) WHERE name IS NOT NULL";
            strings(plain, names, &[&index]).into_iter().flatten().collect()
        })
        .collect();
    let binary = |column: &String| has_binary_collation(plain, table, column);
    columns.iter().position(|column| unique.iter().all(|names| names.contains(column)) && binary(column))
}

/// Whether SQLite tells `a` from `A` and from `a ` in this column: the first part of a compound decides how it compares.
fn has_binary_collation(plain: &Plain, table: &str, column: &str) -> bool {
    let none = format!("SELECT {} FROM {} WHERE 0", quote(column), quote(table));
    let sql = format!("SELECT count(*) FROM ({none} UNION SELECT 'a' UNION SELECT 'A' UNION SELECT 'a ')");
    strings(plain, &sql, &[]) == [["3"]]
}

/// The rows of a query whose values are texts and integers.
fn strings(plain: &Plain, sql: &str, parameters: &[&str]) -> Vec<Vec<String>> {
    let parameters = positional(parameters.iter().map(|text| Value::text(text)));
    let rows = plain.query(sql, &parameters).unwrap_or_else(|error| panic!("{sql}: {error}")).rows;
    let text = |value: Value| match value {
        Value::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Integer(integer) => integer.to_string(),
        other => panic!("{sql}: {other:?} is neither text nor integer"),
    };
    rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
