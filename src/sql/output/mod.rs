//! How an answer is written: a table for people; CSV, JSON and JSON lines for programs.

mod bytes;
mod csv;
mod json;
mod lines;
mod plan;
mod summary;
mod table;

use std::io::{self, Write};

use clap::ValueEnum;
use souk_merge::BatchCursor;
use souk_proto::v1::ColumnDescription;

pub(crate) use plan::plan;
pub(crate) use summary::{counted, failures, summary, time, write_summary};
pub(crate) use table::printed as print_table;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// RFC 4180, with a header line; NULL is an empty field
    Csv,
    /// One array of objects
    Json,
    /// One object a line
    Jsonl,
}

/// Takes an answer, part by part.
pub(crate) trait RowSink: Send {
    /// The columns: first, once.
    fn header(&mut self, columns: &[ColumnDescription]) -> io::Result<()>;
    /// The row under the cursor.
    fn row(&mut self, row: &BatchCursor) -> io::Result<()>;
    /// The answer is whole: last, once. Not called for an answer that broke off.
    fn finish(&mut self) -> io::Result<()>;
}

/// A sink that writes `format` to `out`. Tables fit `width` characters, when given.
pub(crate) fn sink<'a>(format: Format, out: impl Write + Send + 'a, width: Option<u16>) -> Box<dyn RowSink + 'a> {
    match format {
        Format::Table => Box::new(table::TableSink::new(out, width)),
        Format::Csv => Box::new(csv::CsvSink::new(out)),
        Format::Json => Box::new(json::JsonSink::array(out)),
        Format::Jsonl => Box::new(json::JsonSink::lines(out)),
    }
}

/// A sink for a plan, which has a line a row.
pub(crate) fn plan_sink<'a>(format: Format, out: impl Write + Send + 'a) -> Box<dyn RowSink + 'a> {
    match format {
        Format::Table => Box::new(lines::LinesSink::new(out)),
        other => sink(other, out, None),
    }
}

#[cfg(test)]
mod golden {
    //! Each claim with what is written for it.

    use souk_merge::{Batch, Value};

    use super::*;

    fn written(format: Format, names: &[&str], rows: &[Vec<Value>]) -> io::Result<String> {
        let columns: Vec<_> = names
            .iter()
            .map(|name| ColumnDescription { name: (*name).to_owned(), declared_type: String::new() })
            .collect();
        let mut batch = Batch::new(names.len());
        for row in rows {
            batch.push_row(row.iter().map(Value::as_ref));
        }
        let mut out = Vec::new();
        let mut sink = sink(format, &mut out, None);
        sink.header(&columns)?;
        let mut cursor = batch.into_cursor();
        while cursor.advance() {
            sink.row(&cursor)?;
        }
        sink.finish()?;
        drop(sink);
        Ok(String::from_utf8(out).unwrap())
    }

    fn every_class() -> Vec<Vec<Value>> {
        vec![
            vec![Value::Integer(i64::MIN), Value::text("a,\"b\"\nc"), Value::Null],
            vec![Value::Real(1.0), Value::Blob([0, 255].as_slice().into()), Value::text("")],
            vec![Value::Real(f64::INFINITY), Value::Text([0xff].as_slice().into()), Value::text("ü")],
        ]
    }

    #[test]
    fn a_table_is_for_people() {
        let expected = "\
+----------------------+------------+------+
| n                    | t          | x    |
+==========================================+
| -9223372036854775808 | a,\"b\"\\nc  | NULL |
| 1.0                  | x'00ff'    |      |
| Inf                  | x'ff'      | ü    |
+----------------------+------------+------+
";
        let table = written(Format::Table, &["n", "t", "x"], &every_class()).unwrap();
        let ascii: String = table.lines().map(|line| line.to_owned() + "\n").collect();
        assert_eq!(normal(&ascii), normal(expected));
    }

    /// Borders and widths are the table library's affair: only the cells are compared.
    fn normal(table: &str) -> Vec<Vec<String>> {
        let cells = |line: &str| line.split(['|', '│', '┆']).map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        table.lines().filter(|line| line.contains(['|', '│']) && !line.contains('═')).map(cells).collect()
    }

    #[test]
    fn csv_quotes_what_needs_it_and_null_is_empty() {
        let csv = written(Format::Csv, &["n", "t", "x,y"], &every_class()).unwrap();
        assert_eq!(csv, "n,t,\"x,y\"\r\n-9223372036854775808,\"a,\"\"b\"\"\nc\",\r\n1.0,x'00ff',\r\n9e999,x'ff',ü\r\n");
    }

    #[test]
    fn json_keeps_integers_reals_and_blobs_apart() {
        let json = written(Format::Json, &["n", "t", "x"], &every_class()).unwrap();
        assert_eq!(
            json,
            "[\n{\"n\":-9223372036854775808,\"t\":\"a,\\\"b\\\"\\nc\",\"x\":null},\n\
             {\"n\":1.0,\"t\":{\"blob\":\"00ff\"},\"x\":\"\"},\n\
             {\"n\":9e999,\"t\":{\"blob\":\"ff\"},\"x\":\"ü\"}\n]\n"
        );
    }

    #[test]
    fn json_lines_are_one_object_a_line() {
        let rows = [vec![Value::Integer(1)], vec![Value::Null]];
        assert_eq!(written(Format::Jsonl, &["a"], &rows).unwrap(), "{\"a\":1}\n{\"a\":null}\n");
    }

    #[test]
    fn no_rows_are_still_an_answer() {
        assert_eq!(written(Format::Json, &["a"], &[]).unwrap(), "[]\n");
        assert_eq!(written(Format::Jsonl, &["a"], &[]).unwrap(), "");
        assert_eq!(written(Format::Csv, &["a"], &[]).unwrap(), "a\r\n");
        assert!(written(Format::Table, &["a"], &[]).unwrap().contains('a'));
    }

    #[test]
    fn an_object_cannot_hold_one_name_twice() {
        let error = written(Format::Json, &["a", "a"], &[]).unwrap_err().to_string();
        assert!(error.contains("`a`") && error.contains("AS"), "{error}");
        assert!(written(Format::Csv, &["a", "a"], &[]).is_ok());
    }

    #[test]
    fn a_table_says_how_many_rows_it_leaves_out() {
        let rows: Vec<_> = (0..10_003).map(|n| vec![Value::Integer(n)]).collect();
        let table = written(Format::Table, &["a"], &rows).unwrap();
        assert!(table.contains("9999") && !table.contains("10000 "), "the first 10,000 rows are shown");
        assert!(table.ends_with("3 more rows are not shown; --format csv, json or jsonl writes them all\n"));
    }

    #[test]
    fn a_table_cannot_steer_the_terminal() {
        let table = written(Format::Table, &["a"], &[vec![Value::text("\u{1b}[2J")]]).unwrap();
        assert!(table.contains("\\u{1b}[2J") && !table.contains('\u{1b}'), "{table}");
    }
}
