//! For tests: the marketplace in one plain SQLite database.

use rusqlite::{Connection, params_from_iter, types::Value as Sql};
use souk_merge::{Batch, Value};

use super::{
    messages::Messages,
    schema::{insert_categories, statements},
};

fn sql(value: Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Integer(integer) => Sql::Integer(integer),
        Value::Real(real) => Sql::Real(real),
        Value::Text(text) => Sql::Text(String::from_utf8(text.into()).unwrap()),
        Value::Blob(blob) => Sql::Blob(blob.into()),
    }
}

/// Makes the marketplace of so many vendors.
pub(super) fn loaded(vendors: u64) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for statement in statements() {
        let plain = statement.split(" SHARD KEY").next().unwrap().replace(" REPLICATED", "");
        connection.execute_batch(&plain).unwrap();
    }
    connection.execute_batch(&insert_categories()).unwrap();
    for message in Messages::new(3, vendors) {
        let marks = vec!["?"; message.columns.len()].join(",");
        let insert = format!("INSERT INTO {}({}) VALUES ({marks})", message.table, message.columns.join(","));
        let mut insert = connection.prepare(&insert).unwrap();
        for row in Batch::try_from(message.batch.unwrap()).unwrap().into_rows() {
            insert.execute(params_from_iter(row.into_iter().map(sql))).unwrap();
        }
    }
    connection
}
