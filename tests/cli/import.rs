//! `souk import`: types, progress, rejects.

use std::{
    fs::{self, File},
    io::Write as _,
};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::{Ran, fake, souk};

const SCHEMA: &str = "\
CREATE TABLE products(vendor_id TEXT, id INTEGER, price REAL, note TEXT DEFAULT 'none', raw BLOB,
  PRIMARY KEY (vendor_id, id), CHECK (id > 0));
CREATE TABLE categories(name TEXT PRIMARY KEY)";

struct Import {
    folder: TempDir,
    fake: fake::Fake,
}

impl Import {
    fn new(csv: &str) -> Import {
        let import = Import { folder: tempfile::tempdir().unwrap(), fake: fake::serve(SCHEMA) };
        fs::write(import.path("rows.csv"), csv).unwrap();
        import
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, more: &[&str]) -> Ran {
        let (file, address) = (self.path("rows.csv"), &self.fake.address);
        souk(&[&["import", "--addr", address, &file], more].concat(), "")
    }

    fn products(&self) -> Ran {
        self.run(&["--table", "products", "--key", "vendor_id"])
    }
}

#[test]
fn values_are_stored_as_sqlite_stores_their_text() {
    let import = Import::new("vendor_id,id,price,note,raw\n7,1,1.50,2,3\n07,2,,,x\n");
    let ran = import.products();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.starts_with("loaded 2 rows into products (0 rejected) in "), "{ran:?}");
    let rows = "SELECT json_group_array(json_array(quote(vendor_id), id, quote(price), quote(note), quote(raw))) FROM products";
    assert_eq!(import.fake.text(rows), r#"[["'7'",1,"1.5","'2'","'3'"],["'07'",2,"NULL","NULL","'x'"]]"#);
}

#[test]
fn a_column_that_is_left_out_takes_its_default() {
    let import = Import::new("ID,vendor_id\n1,a\n");
    assert_eq!(import.products().code, Some(0));
    assert_eq!(import.fake.text("SELECT note FROM products"), "none");
}

#[test]
fn refused_rows_are_written_down_with_their_reasons() {
    let import = Import::new("vendor_id,id,note\na,1,x\na,0,\"y, \"\"z\"\"\"\na,2\na,1,again\nb,1,ok\n");
    let ran = import.products();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.starts_with("loaded 2 rows into products (3 rejected) in "), "{ran:?}");
    let rejects = import.path("rows.csv.rejects.csv");
    assert_eq!(ran.stderr, format!("rejected rows, with reasons: {rejects}\n"));
    let expected = "\
reason,message,vendor_id,id,note
CONSTRAINT,CHECK constraint failed: id > 0,a,0,\"y, \"\"z\"\"\"
INVALID_ARGUMENT,\"the row has 2 fields, the header has 3\",a,2
CONSTRAINT,\"UNIQUE constraint failed: products.vendor_id, products.id\",a,1,again
";
    assert_eq!(fs::read_to_string(rejects).unwrap(), expected);
}

#[test]
fn rejects_go_where_they_are_told_to() {
    let import = Import::new("vendor_id,id\na,0\n");
    let elsewhere = import.path("bad.csv");
    let ran = import.run(&["--table", "products", "--key", "vendor_id", "--rejects", &elsewhere]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(fs::read_to_string(elsewhere).unwrap().lines().count(), 2);
    assert!(!fs::exists(import.path("rows.csv.rejects.csv")).unwrap());
}

#[test]
fn many_rows_take_many_messages_and_keep_their_numbers() {
    let rows: String = (1..=20_000).map(|id| format!("v{},{}\n", id % 7, if id == 17_321 { 0 } else { id })).collect();
    let import = Import::new(&format!("vendor_id,id\n{rows}"));
    let ran = import.products();
    assert!(ran.stdout.starts_with("loaded 19999 rows into products (1 rejected)"), "{ran:?}");
    let rejects = fs::read_to_string(import.path("rows.csv.rejects.csv")).unwrap();
    assert!(rejects.ends_with(&format!(",v{},0\n", 17_321 % 7)), "{rejects}");
}

#[test]
fn packed_files_are_unpacked() {
    let import = Import::new("");
    let packed = import.path("rows.csv.gz");
    let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(b"name\ntea\ntoys\n").unwrap();
    encoder.finish().unwrap();
    let ran = souk(&["import", "--addr", &import.fake.address, "--table", "categories", &packed], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(import.fake.text("SELECT group_concat(name) FROM categories"), "tea,toys");
}

#[test]
fn a_packed_file_that_breaks_off_is_a_failure() {
    let import = Import::new("");
    let packed = import.path("rows.csv.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"name\n").unwrap();
    encoder.write_all("tea\n".repeat(10).as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    fs::write(&packed, &bytes[..bytes.len() - 6]).unwrap();
    let ran = souk(&["import", "--addr", &import.fake.address, "--table", "categories", &packed], "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cannot read"), "{ran:?}");
}

#[test]
fn what_does_not_fit_the_table_is_told_before_a_row_is_sent() {
    let import = Import::new("vendor_id,id,colour\na,1,red\n");
    let check = |more: &[&str], code, text: &str| {
        let ran = import.run(more);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(text), "{ran:?}");
    };
    check(&["--table", "products", "--key", "vendor_id"], 1, "no column `colour`; it has `vendor_id`, `id`, `price`");
    check(&["--table", "products", "--key", "id"], 2, "say --key vendor_id");
    check(&["--table", "products"], 2, "say --key vendor_id");
    check(&["--table", "categories", "--key", "name"], 2, "replicated");
    check(&["--table", "nothing"], 1, "there are `products`, `categories`");
    assert_eq!(import.fake.text("SELECT CAST(count(*) AS TEXT) FROM products"), "0");
}
