//! The views that the schema log makes.

use rusqlite::Connection;

use crate::sql::ViewInfo;

/// The views that a script makes and that can be read. SQLite keeps one whose tables are gone, and so does this.
pub(super) fn view_infos<'a>(script: impl IntoIterator<Item = &'a str>) -> rusqlite::Result<Vec<ViewInfo>> {
    let script: Vec<&str> = script.into_iter().collect();
    if !script.iter().any(|sql| sql.to_ascii_uppercase().contains("VIEW")) {
        return Ok(Vec::new());
    }
    let connection = Connection::open_in_memory()?;
    for sql in script {
        connection.execute_batch(sql)?;
    }
    let mut list = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")?;
    let mut rows = list.query([])?;
    let mut views = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        if let Ok(columns) = columns(&connection, &name) {
            views.push(ViewInfo { name, sql, columns });
        }
    }
    Ok(views)
}

fn columns(connection: &Connection, view: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([view], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_have_their_columns() {
        let script = [
            "CREATE TABLE t(a, b)",
            "CREATE VIEW v AS SELECT a, count(*), a FROM t GROUP BY a",
            "CREATE VIEW w(x) AS SELECT b FROM t",
            "CREATE VIEW broken AS SELECT * FROM gone",
        ];
        let views = view_infos(script).expect("views");
        let columns: Vec<(&str, Vec<&str>)> =
            views.iter().map(|view| (view.name.as_str(), view.columns.iter().map(String::as_str).collect())).collect();
        assert_eq!(columns, [("v", vec!["a", "count(*)", "a:1"]), ("w", vec!["x"])]);
    }
}
