//! The header line, checked against the table.

use csv::ByteRecord;
use souk_proto::v1::Table;

use super::typing::Typing;
use crate::failure::Failure;

/// The columns of a file, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// As the table names them.
    pub(super) names: Vec<String>,
    /// How their fields are sent.
    pub(super) typing: Vec<Typing>,
}

impl Columns {
    /// Finds each column of the header in the table, and the table's shard key among them.
    pub(super) fn check(table: &Table, key: Option<&str>, header: &ByteRecord) -> Result<Columns, Failure> {
        check_key(table, key)?;
        let mut columns = Columns { names: Vec::new(), typing: Vec::new() };
        for field in header {
            columns.add(table, &String::from_utf8_lossy(field))?;
        }
        if !table.shard_key.is_empty() && !columns.names.contains(&table.shard_key) {
            return Err(Failure::failed(format!("the file has no column `{}`, the shard key", table.shard_key)));
        }
        Ok(columns)
    }

    fn add(&mut self, table: &Table, name: &str) -> Result<(), Failure> {
        let Some(column) = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)) else {
            let known: Vec<String> = table.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            return Err(Failure::failed(format!(
                "`{}` has no column `{name}`; it has {}. The first line of the file must name its columns",
                table.name,
                known.join(", ")
            )));
        };
        if self.names.contains(&column.name) {
            return Err(Failure::failed(format!("the file has the column `{}` twice", column.name)));
        }
        self.names.push(column.name.clone());
        self.typing.push(Typing::of(&column.declared_type));
        Ok(())
    }
}

fn check_key(table: &Table, key: Option<&str>) -> Result<(), Failure> {
    let Table { name, shard_key, .. } = table;
    match key {
        None if shard_key.is_empty() => Ok(()),
        None => Err(Failure::Usage(format!("`{name}` is sharded by `{shard_key}`: say --key {shard_key}"))),
        Some(key) if shard_key.is_empty() => {
            Err(Failure::Usage(format!("`{name}` is replicated and has no shard key: leave --key {key} out")))
        }
        Some(key) if key.eq_ignore_ascii_case(shard_key) => Ok(()),
        Some(key) => {
            Err(Failure::Usage(format!("`{name}` is sharded by `{shard_key}`, not by `{key}`: say --key {shard_key}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_proto::v1::TableColumn;

    use super::*;

    fn check(shard_key: &str, key: Option<&str>, header: &[&str]) -> Result<Columns, String> {
        let column = |name: &str, declared_type: &str| TableColumn {
            name: name.into(),
            declared_type: declared_type.into(),
            ..TableColumn::default()
        };
        let columns = vec![column("vendor_id", "TEXT"), column("id", "INTEGER")];
        let table = Table { name: "t".into(), shard_key: shard_key.into(), columns, ..Table::default() };
        Columns::check(&table, key, &ByteRecord::from(header)).map_err(|failure| failure.text().unwrap_or_default())
    }

    #[test]
    fn columns_are_found_in_any_order_and_case() {
        let columns = check("vendor_id", Some("VENDOR_ID"), &["ID", "vendor_id"]).unwrap();
        assert_eq!(columns.names, ["id", "vendor_id"]);
        assert_eq!(columns.typing, [Typing::Numeric, Typing::Text]);
    }

    #[test]
    fn an_unknown_column_lists_the_known_ones() {
        let error = check("vendor_id", Some("vendor_id"), &["vendor_id", "price"]).unwrap_err();
        assert!(error.contains("`price`") && error.contains("`vendor_id`, `id`"), "{error}");
    }

    #[test]
    fn a_column_stands_in_the_header_once() {
        assert!(check("vendor_id", Some("vendor_id"), &["vendor_id", "Vendor_Id"]).unwrap_err().contains("twice"));
    }

    #[test]
    fn the_key_is_the_shard_key() {
        assert!(check("vendor_id", None, &["vendor_id"]).unwrap_err().contains("say --key vendor_id"));
        assert!(check("vendor_id", Some("id"), &["vendor_id"]).unwrap_err().contains("not by `id`"));
        assert!(check("", Some("id"), &["id"]).unwrap_err().contains("replicated"));
        assert!(check("vendor_id", Some("vendor_id"), &["id"]).unwrap_err().contains("no column `vendor_id`"));
        assert!(check("", None, &["id"]).is_ok());
    }
}
