//! Plain SQLite: kept connections to as many files.

use std::{
    fs,
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use rusqlite::Connection;

use crate::measure::{rate_over_files, repeat};

/// The table of both sides; souk's has the shard key beside it.
pub(crate) const TABLE: &str = "CREATE TABLE orders(vendor_id INTEGER NOT NULL, id INTEGER NOT NULL, total INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (vendor_id, id))";
pub(crate) const INSERT: &str = "INSERT INTO orders(vendor_id, id, total, note) VALUES (?, ?, ?, ?)";
pub(crate) const NOTE: &str = "twenty to thirty bytes of text";

/// One file a vendor.
pub(crate) struct Files {
    connections: Vec<Mutex<Connection>>,
    next: AtomicI64,
}

impl Files {
    /// Makes them.
    pub(crate) fn make(folder: &Path, count: u32) -> anyhow::Result<Files> {
        fs::create_dir_all(folder)?;
        let open = |number: u32| {
            let connection = Connection::open(folder.join(format!("{number}.db")))?;
            connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
            connection.execute_batch(TABLE)?;
            anyhow::Ok(Mutex::new(connection))
        };
        Ok(Files { connections: (0..count).map(open).collect::<anyhow::Result<_>>()?, next: AtomicI64::new(0) })
    }

    fn file(&self, number: usize) -> anyhow::Result<MutexGuard<'_, Connection>> {
        self.connections[number].lock().map_err(|_| anyhow!("a thread that wrote died"))
    }

    fn insert(&self, number: usize) -> anyhow::Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = self.file(number)?;
        connection.prepare_cached(INSERT)?.execute((number as i64, id, id % 1000, NOTE))?;
        Ok(())
    }

    /// Rows a second, each committed by itself, into the first `files` in turn, by so many threads.
    pub(crate) fn insert_one_by_one(&self, files: u32, threads: usize, turn: Duration) -> anyhow::Result<f64> {
        rate_over_files(files as usize, threads, turn, |number| self.insert(number))
    }

    /// What committing one row takes: the middle.
    pub(crate) fn commit_ms(&self, turn: Duration) -> anyhow::Result<f64> {
        let mut number = 0;
        let (_, ms) = repeat(turn, || {
            number = (number + 1) % self.connections.len();
            self.insert(number)
        })?;
        Ok(ms)
    }

    /// Rows a second, one transaction a file.
    pub(crate) fn bulk(&self, files: u32, rows: u32, threads: usize) -> anyhow::Result<f64> {
        let (started, each) = (Instant::now(), rows / files);
        let next = AtomicI64::new(0);
        thread::scope(|scope| {
            let work = || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) as usize;
                    if number >= files as usize {
                        return anyhow::Ok(());
                    }
                    let mut connection = self.file(number)?;
                    let transaction = connection.transaction()?;
                    let mut insert = transaction.prepare_cached(INSERT)?;
                    for _ in 0..each {
                        let id = self.next.fetch_add(1, Ordering::Relaxed);
                        insert.execute((number as i64, id, id % 1000, NOTE))?;
                    }
                    drop(insert);
                    transaction.commit()?;
                }
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread died"))?)
        })?;
        Ok(f64::from(each * files) / started.elapsed().as_secs_f64())
    }
}
