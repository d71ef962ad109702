//! All vendors' rows, as the messages that load them.

use std::collections::VecDeque;

use souk_merge::{Batch, ValueRef};
use souk_proto::v1::LoadRequest;

use super::{schema::Table, sizes, vendor};
use crate::load::MESSAGE_ROWS;

/// Rows of all tables that wait for their messages before they are sent: several small vendors share a message.
const WAITING_ROWS: usize = 2 * MESSAGE_ROWS;

/// Every message, made as it is asked for: the same for the same seed and number of vendors.
pub(super) struct Messages {
    seed: u64,
    sizes: Vec<u64>,
    /// Vendors made so far.
    made: usize,
    waiting: Waiting,
}

/// Rows on their way into messages.
struct Waiting {
    /// By [`Table`].
    batches: [Batch; 5],
    full: VecDeque<LoadRequest>,
    /// Rows before the next message of any table.
    rows: u64,
}

impl Messages {
    /// The messages for so many vendors.
    pub(super) fn new(seed: u64, vendors: u64) -> Messages {
        let batches = Table::ALL.map(|table| Batch::new(table.columns().len()));
        let waiting = Waiting { batches, full: VecDeque::new(), rows: 0 };
        Messages { seed, sizes: sizes::sizes(vendors, seed), made: 0, waiting }
    }

    fn make_vendor(&mut self) {
        let number = self.made as u64 + 1;
        let id = vendor::vendor_id(number, self.sizes.len() as u64);
        vendor::make(self.seed, number, id, self.sizes[self.made], &mut self.waiting);
        self.made += 1;
    }
}

impl Iterator for Messages {
    type Item = LoadRequest;

    fn next(&mut self) -> Option<LoadRequest> {
        loop {
            if let Some(request) = self.waiting.full.pop_front() {
                return Some(request);
            }
            if self.made < self.sizes.len() {
                self.make_vendor();
                self.waiting.send_when(WAITING_ROWS);
            } else if !self.waiting.send_when(1) {
                return None;
            }
        }
    }
}

impl Waiting {
    /// Sends what waits when it is at least so many rows; whether it did.
    fn send_when(&mut self, rows: usize) -> bool {
        let due = self.batches.iter().map(Batch::rows).sum::<usize>() >= rows;
        if due {
            Table::ALL.into_iter().for_each(|table| self.send(table));
        }
        due
    }

    fn send(&mut self, table: Table) {
        let batch = &mut self.batches[table as usize];
        if batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(batch, Batch::new(table.columns().len()));
        let rows = batch.rows() as u64;
        self.full.push_back(request(table.name(), table.columns(), batch, self.rows));
        self.rows += rows;
    }
}

impl vendor::Rows for Waiting {
    fn row(&mut self, table: Table, values: &[ValueRef<'_>]) {
        let batch = &mut self.batches[table as usize];
        batch.push_row(values.iter().copied());
        if batch.rows() == MESSAGE_ROWS {
            self.send(table);
        }
    }
}

fn request(table: &str, columns: &[&str], batch: Batch, first_row: u64) -> LoadRequest {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    LoadRequest { table: table.to_owned(), columns, batch: Some(batch.into()), first_row }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost::Message as _;

    use super::{super::one_database::loaded, *};

    /// FNV-1a over the messages as they travel.
    fn hash(seed: u64, vendors: u64) -> u64 {
        let bytes = Messages::new(seed, vendors).flat_map(|message| message.encode_to_vec());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn the_same_seed_gives_the_same_messages() {
        assert_eq!(hash(1, 40), hash(1, 40));
        assert_ne!(hash(1, 40), hash(2, 40));
        assert_ne!(hash(1, 40), hash(1, 41));
    }

    #[test]
    fn messages_are_bounded_and_numbered_without_gaps() {
        let mut next = 0;
        for message in Messages::new(1, 40) {
            let rows = message.batch.as_ref().map_or(0, |batch| batch.rows);
            assert!(rows as usize <= MESSAGE_ROWS && rows > 0);
            assert!(message.encoded_len() < 2 << 20);
            assert_eq!(message.first_row, next);
            next += u64::from(rows);
        }
        assert!(next > 40 * 400, "{next} rows");
    }

    #[test]
    fn the_rows_fit_the_schema_and_each_other() {
        let connection = loaded(30);
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM vendors"), 30);
        assert_eq!(count("SELECT count(*) FROM products"), 6_000);
        assert!((2_900..=3_000).contains(&count("SELECT count(*) FROM orders")));
        assert!((2_900..=3_000).contains(&count("SELECT count(*) FROM reviews")));
        let claims = HashMap::from([
            (
                "totals are the sums of their items",
                "SELECT count(*) FROM orders o WHERE total_cents IS NOT (SELECT sum(quantity * price_cents) FROM order_items i WHERE (i.vendor_id, i.order_id) = (o.vendor_id, o.id))",
            ),
            (
                "items are the vendor's products at their price",
                "SELECT count(*) FROM order_items i LEFT JOIN products p ON p.vendor_id = i.vendor_id AND p.id = i.product_id WHERE p.price_cents IS NOT i.price_cents",
            ),
            (
                "every category is known",
                "SELECT count(*) FROM products WHERE category NOT IN (SELECT name FROM categories)",
            ),
            (
                "attributes are JSON",
                "SELECT count(*) FROM products WHERE NOT json_valid(attributes) OR attributes ->> 'weight_g' IS NULL",
            ),
            ("ratings are from 1.0 to 5.0", "SELECT count(*) FROM products WHERE NOT rating BETWEEN 1.0 AND 5.0"),
            (
                "nobody sells before joining",
                "SELECT count(*) FROM orders o JOIN vendors v USING (vendor_id) WHERE placed < joined",
            ),
        ]);
        for (claim, violations) in claims {
            assert_eq!(count(violations), 0, "{claim}");
        }
    }
}
