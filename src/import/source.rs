//! The file: CSV, perhaps packed.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use csv::{ByteRecord, Reader};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// Bytes of a row. A message holds at least one row, and coordinators take messages of up to 4 MiB.
const ROW_BYTES_MAX: usize = 3 << 20;

/// A CSV file, read row by row.
pub(super) struct Source {
    path: PathBuf,
    reader: Reader<Box<dyn Read + Send>>,
    progress: ProgressBar,
}

impl Source {
    /// Opens a file; one that ends in `.gz` is unpacked.
    pub(super) fn open(path: &Path) -> Result<Source, Failure> {
        let failed = |error| Failure::failed(format!("cannot read `{}`: {error}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            // It is read again to write down rejected rows.
            return Err(Failure::failed(format!("`{}` is not a file", path.display())));
        }
        let progress = bar(metadata.len());
        let bytes = progress.wrap_read(file);
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let text: Box<dyn Read + Send> = if packed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        // Rows of another length are not an error of the file: they are rejected one by one.
        let reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(text);
        Ok(Source { path: path.to_owned(), reader, progress })
    }

    /// How much of the file is read, on a terminal.
    pub(super) fn progress(&self) -> ProgressBar {
        self.progress.clone()
    }

    /// The first line.
    pub(super) fn header(&mut self) -> Result<&ByteRecord, Failure> {
        let path = self.path.display().to_string();
        let header = self.reader.byte_headers();
        let header = header.map_err(|error| Failure::failed(format!("cannot read `{path}`: {error}")))?;
        if header.is_empty() {
            return Err(Failure::failed(format!("`{path}` is empty: its first line must name its columns")));
        }
        Ok(header)
    }

    /// Reads the next row into `row`; false at the end.
    pub(super) fn next(&mut self, row: &mut ByteRecord) -> Result<bool, Failure> {
        let more = self.reader.read_byte_record(row);
        let path = || self.path.display();
        let more = more.map_err(|error| Failure::failed(format!("cannot read `{}`: {error}", path())))?;
        if row.as_slice().len() > ROW_BYTES_MAX {
            let line = row.position().map_or(0, csv::Position::line);
            return Err(Failure::failed(format!(
                "`{}` line {line}: a row takes more than {ROW_BYTES_MAX} bytes; is a quote left open?",
                path()
            )));
        }
        Ok(more)
    }
}

fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} eta {eta}");
    ProgressBar::new(bytes).with_style(style.expect("the template is well formed"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn rows(name: &str, content: &[u8]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut source = Source::open(&path).unwrap();
        let text =
            |record: &ByteRecord| record.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
        let mut rows = vec![text(source.header().unwrap())];
        let mut row = ByteRecord::new();
        while source.next(&mut row).unwrap() {
            rows.push(text(&row));
        }
        rows
    }

    #[test]
    fn rows_keep_their_quotes_lines_and_lengths() {
        let expected = [vec!["a", "b"], vec!["1\n2", "x\"y"], vec!["3"], vec!["", ""]];
        assert_eq!(rows("t.csv", b"a,b\r\n\"1\n2\",\"x\"\"y\"\r\n3\n,\n"), expected);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_name() {
        assert_eq!(rows("t.csv", b"\xef\xbb\xbfa\n1\n"), [["a"], ["1"]]);
    }

    #[test]
    fn packed_files_may_have_several_members() {
        let pack = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let packed = [pack(b"a\n1\n"), pack(b"2\n")].concat();
        assert_eq!(rows("t.csv.gz", &packed), [["a"], ["1"], ["2"]]);
    }

    #[test]
    fn an_empty_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "").unwrap();
        let error = Source::open(&path).unwrap().header().unwrap_err();
        assert!(error.text().unwrap().contains("is empty"));
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, ["a\n\"", &"x\n".repeat(2 << 20)].concat()).unwrap();
        let mut source = Source::open(&path).unwrap();
        source.header().unwrap();
        let error = source.next(&mut ByteRecord::new()).unwrap_err();
        assert!(error.text().unwrap().contains("line 2: a row takes more"), "{error:?}");
    }
}
