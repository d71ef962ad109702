//! The data: a filled cluster, a copy of its shard files, and one SQLite file with all rows; made once and kept.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use souk_proto::v1::{ExecuteRequest, LoadRequest, write_service_client::WriteServiceClient};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    debian, file, load,
    process::Cluster,
    rows::Size,
    souk,
    source::{Rows, Source, plain},
};

/// Changes when the rows do.
const VERSION: u32 = 4;

/// The data on disk.
pub(crate) struct Data {
    folder: PathBuf,
    source: Source,
}

impl Data {
    /// Rows of this size; made now when they are not there.
    pub(crate) fn take(shards: u32, nodes: u32, rows: u32) -> anyhow::Result<Data> {
        let size = Size { vendors: shards.into(), products: rows.into() };
        Data::of(Source::Made(size), &format!("v{VERSION}-{shards}x{rows}-{nodes}"), nodes)
    }

    /// Debian's package index, whose files are in `files`; loaded now when it was not.
    pub(crate) fn take_debian(files: &Path, nodes: u32) -> anyhow::Result<Data> {
        let bytes = debian::byte_size(files)?;
        Data::of(Source::Debian(files.to_owned()), &format!("debian-v{VERSION}-{bytes}-{nodes}"), nodes)
    }

    fn of(source: Source, name: &str, nodes: u32) -> anyhow::Result<Data> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data");
        let data = Data { folder: target.join(name), source };
        let complete = data.folder.join("complete");
        if !complete.exists() {
            if data.folder.exists() {
                fs::remove_dir_all(&data.folder)?;
            }
            data.make(nodes).with_context(|| format!("cannot make `{}`", data.folder.display()))?;
            fs::write(complete, "")?;
        }
        Ok(data)
    }

    /// Where nodes and coordinator have their folders.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its rows come from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// How much was made; of Debian's index nothing was.
    pub(crate) fn size(&self) -> Size {
        match self.source {
            Source::Made(size) => size,
            Source::Debian(_) => Size { vendors: 0, products: 0 },
        }
    }

    /// The file that holds all rows.
    pub(crate) fn one_sqlite(&self) -> PathBuf {
        self.folder.join("one.db")
    }

    /// Copies of the shard files.
    pub(crate) fn shard_copies(&self) -> anyhow::Result<Vec<PathBuf>> {
        databases(&self.folder.join("loop"))
    }

    fn make(&self, nodes: u32) -> anyhow::Result<()> {
        let started = Instant::now();
        eprintln!("making `{}`", self.folder.display());
        fs::create_dir_all(self.folder.join("loop"))?;
        let cluster = Cluster::start(&self.folder, nodes)?;
        // Dropped before the cluster is: the connection ends with it.
        let rows = Runtime::new()?.block_on(fill(cluster.address(), self.source.clone()))?;
        eprintln!("{rows} rows loaded after {:.1?}", started.elapsed());
        // Stopped, so that each file is whole without its log.
        drop(cluster);
        for number in 1..=nodes {
            for file in databases(&self.folder.join(format!("n{number}/shards")))? {
                let name = file.file_name().context("a file has a name")?;
                copy(&file, &self.folder.join("loop").join(name))?;
            }
        }
        self.fill_one_sqlite()?;
        eprintln!("all data made after {:.1?}", started.elapsed());
        Ok(())
    }

    fn fill_one_sqlite(&self) -> anyhow::Result<()> {
        let connection = Connection::open(self.one_sqlite())?;
        connection.execute_batch("PRAGMA journal_mode = WAL; BEGIN")?;
        for statement in self.source.schema() {
            connection.execute_batch(&plain(&statement))?;
        }
        self.source.read(&mut |rows| file::insert(&connection, rows))?;
        // Nodes do so too: without it SQLite takes the vendor for a column that tells rows apart where a join asks for it.
        connection.execute_batch("COMMIT; ANALYZE")?;
        Ok(())
    }
}

/// Copies a shard file. The copy is only read: without a log it takes one descriptor, and a process can have so many only.
fn copy(file: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(file, to)?;
    Ok(Connection::open(to)?.execute_batch("PRAGMA journal_mode = DELETE")?)
}

/// Every `*.db` below a folder, sorted.
fn databases(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(databases(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the tables and loads every row through the public interface; gives how many.
async fn fill(address: &str, source: Source) -> anyhow::Result<u64> {
    let channel = souk::endpoint(address)?.connect().await?;
    let mut client = WriteServiceClient::new(channel.clone());
    for sql in source.schema() {
        client.execute(ExecuteRequest { sql, ..ExecuteRequest::default() }).await?;
    }
    let (sender, requests) = mpsc::channel(4);
    let reader = tokio::task::spawn_blocking(move || send(&source, &sender));
    let loaded = load::load(channel, ReceiverStream::new(requests)).await?;
    let sent = reader.await??;
    ensure!(loaded == sent, "{sent} rows were sent, {loaded} were loaded");
    Ok(loaded)
}

/// Sends every row; gives how many.
fn send(source: &Source, sender: &mpsc::Sender<LoadRequest>) -> anyhow::Result<u64> {
    let mut sent = 0;
    source.read(&mut |Rows { table, columns, batch }| {
        let rows = batch.rows() as u64;
        sender.blocking_send(load::request(table, columns, batch, sent)).context("the load has ended")?;
        sent += rows;
        Ok(())
    })?;
    Ok(sent)
}
