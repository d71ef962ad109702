//! Plain SQLite: kept connections to as many files, with the marketplace's tables, and the statements of an order over one vendor.

use std::{
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::anyhow;
use rusqlite::{Connection, params};

use crate::measure::{rate_over_files, repeat};

/// One file a vendor.
pub(crate) struct Files {
    connections: Vec<Mutex<Connection>>,
    next: AtomicU64,
}

impl Files {
    /// Makes them, with one product each.
    pub(crate) fn make(folder: &Path, count: u32) -> anyhow::Result<Files> {
        fs::create_dir_all(folder)?;
        let open = |number: u32| {
            let connection = Connection::open(folder.join(format!("{number}.db")))?;
            connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN")?;
            for sql in souk_marketplace::STATEMENTS {
                connection.execute_batch(sql.split(" SHARD KEY").next().unwrap_or(sql))?;
            }
            connection.execute_batch(
                "INSERT INTO products(vendor_id, id, sku, name, category, price_cents, stock) VALUES ('v', 1, 'a', 'Lamp', 'lighting', 100, 1000000000); COMMIT",
            )?;
            anyhow::Ok(Mutex::new(connection))
        };
        Ok(Files { connections: (0..count).map(open).collect::<anyhow::Result<_>>()?, next: AtomicU64::new(0) })
    }

    fn order(&self, number: usize) -> anyhow::Result<()> {
        let id = format!("{:034}", self.next.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connections[number].lock().map_err(|_| anyhow!("a thread that wrote died"))?;
        let transaction = connection.transaction()?;
        let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(parameters);
        run(
            "INSERT INTO orders(vendor_id, id, customer, status, placed, total_cents, currency) VALUES ('v', ?1, 'ada', 'placed', '2026-11-28 06:00:00', 100, 'EUR')",
            params![id],
        )?;
        run(
            "UPDATE products SET stock = stock - 1, sold = sold + 1 WHERE vendor_id = 'v' AND id = 1 AND stock >= 1",
            &[],
        )?;
        run(
            "INSERT INTO order_items(vendor_id, order_id, line, product_id, quantity, price_cents) VALUES ('v', ?1, 1, 1, 1, 100)",
            params![id],
        )?;
        run("INSERT INTO audit(vendor_id, order_id, step, at_ms) VALUES ('v', ?1, 'placed', 1)", params![id])?;
        run(
            "INSERT INTO events(vendor_id, id, seq, kind, customer, at_ms, data)
             SELECT 'v', 'order.placed/' || ?1, 1 + coalesce((SELECT max(seq) FROM events WHERE vendor_id = 'v'), 0), 'order.placed', 'ada', 1, '{\"total\":100}'",
            params![id],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Orders a second, each committed by itself, in all files in turn, by so many threads.
    pub(crate) fn orders(&self, threads: usize, turn: Duration) -> anyhow::Result<f64> {
        rate_over_files(self.connections.len(), threads, turn, |number| self.order(number))
    }

    /// What committing one order takes: the middle.
    pub(crate) fn commit_ms(&self, turn: Duration) -> anyhow::Result<f64> {
        let mut number = 0;
        let (_, ms) = repeat(turn, || {
            number = (number + 1) % self.connections.len();
            self.order(number)
        })?;
        Ok(ms)
    }
}
