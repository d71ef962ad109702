//! Triggers, and the tables that they write to, which no statement reads: what triggers do there does not depend on the order of rows.

use souk_merge::Value;

use super::super::super::random::Random;
use super::super::super::table::Table;
use super::super::cells::Kind;
use super::target::Target;

/// Triggers of a schema, in which most have none.
pub(super) struct Triggers {
    pub(super) tables: Vec<Table>,
    pub(super) statements: Vec<String>,
}

impl Triggers {
    pub(super) fn new(random: &mut Random, targets: &[Target], key_type: &str) -> Triggers {
        if random.percent(60) {
            return Triggers { tables: Vec::new(), statements: Vec::new() };
        }
        let table = |name: &str, columns: &str, shard_key: Option<&str>, rows| Table {
            name: name.to_owned(),
            sql: format!("CREATE TABLE {name}({columns})"),
            shard_key: shard_key.map(str::to_owned),
            rows,
        };
        let zeros = (0..3).map(|id| vec![Value::Integer(id), Value::Integer(0)]).collect();
        let tables = vec![
            table("seen", &format!("k {key_type}, n, what TEXT"), Some("k"), Vec::new()),
            table("counted", "id INTEGER PRIMARY KEY, n INTEGER", None, zeros),
        ];
        let count = 1 + random.below(3);
        let statements = (0..count).map(|number| trigger(random, targets, number)).collect();
        Triggers { tables, statements }
    }
}

fn trigger(random: &mut Random, targets: &[Target], number: usize) -> String {
    let target = &targets[random.below(targets.len())];
    let (event, row) = *random.pick(&[
        ("INSERT", "new"),
        ("UPDATE", "new"),
        ("UPDATE", "old"),
        ("UPDATE OF n", "new"),
        ("DELETE", "old"),
        ("DELETE", "old"),
    ]);
    // The id of a new row is not there before it.
    let time = if random.percent(70) { "AFTER" } else { "BEFORE" };
    let when = match random.below(4) {
        0 => format!(" WHEN {row}.n > 2"),
        1 => format!(" WHEN {row}.n IS NOT NULL"),
        _ => String::new(),
    };
    let key = match target.key() {
        Some((key, Kind::Key)) if random.percent(60) => format!("{row}.{key}"),
        _ => (*random.pick(&["'k1'", "NULL", "7", "'everywhere'"])).to_owned(),
    };
    let steps = 1 + random.below(2);
    let step = |random: &mut Random| match random.below(10) {
        0..4 => format!("INSERT INTO seen VALUES ({key}, {row}.n, '{event} {}')", target.name),
        4..7 => format!("UPDATE counted SET n = n + 1 WHERE id = abs(coalesce({row}.n, 0)) % 3"),
        7 => format!("DELETE FROM seen WHERE n IS {row}.n"),
        8 => format!("SELECT RAISE(IGNORE) WHERE {row}.n = 3"),
        _ => format!("SELECT RAISE(ABORT, 'not this row') WHERE {row}.n = 4"),
    };
    let body: Vec<String> = (0..steps).map(|_| step(random)).collect();
    format!("CREATE TRIGGER trigger{number} {time} {event} ON {}{when} BEGIN {}; END", target.name, body.join("; "))
}
