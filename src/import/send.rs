//! Rows become messages.

use csv::ByteRecord;
use souk_merge::Batch;
use souk_proto::{
    Reason,
    v1::{LoadRequest, RejectedRow},
};
use tokio::sync::mpsc;

use super::{columns::Columns, source::Source};
use crate::{failure::Failure, load::MESSAGE_ROWS};

/// Bytes of a message from which on it is sent.
const MESSAGE_BYTES: usize = 1 << 20;

/// What was made of a file.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Rows sent.
    pub(super) rows: u64,
    /// Rows that could not be sent, as they have more or fewer fields than the header.
    pub(super) rejected: Vec<RejectedRow>,
}

/// Sends all rows of a file. Rows are numbered from 1, the first after the header. Ends early when nobody receives
/// any more: why is known there.
pub(super) fn rows(
    table: &str,
    mut source: Source,
    columns: &Columns,
    sender: &mpsc::Sender<LoadRequest>,
) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    let mut message = Message::new(columns.names.len(), 1);
    let mut row = ByteRecord::new();
    let mut number = 0;
    while source.next(&mut row)? {
        number += 1;
        if row.len() != columns.names.len() {
            sent.rejected.push(wrong_length(number, row.len(), columns.names.len()));
            // Rows of a message are numbered without gaps.
            message.send_if(true, table, columns, sender, number + 1);
            continue;
        }
        sent.rows += 1;
        message.bytes += row.as_slice().len();
        message.batch.push_row(row.iter().zip(&columns.typing).map(|(field, typing)| typing.value(field)));
        let full = message.bytes >= MESSAGE_BYTES || message.batch.rows() >= MESSAGE_ROWS;
        if !message.send_if(full, table, columns, sender, number + 1) {
            return Ok(sent);
        }
    }
    message.send_if(true, table, columns, sender, number + 1);
    Ok(sent)
}

/// The message in the making.
struct Message {
    first_row: u64,
    bytes: usize,
    batch: Batch,
}

impl Message {
    fn new(width: usize, first_row: u64) -> Message {
        Message { first_row, bytes: 0, batch: Batch::new(width) }
    }

    /// Sends the message when it is `due`, and begins the next one; false when nobody receives.
    fn send_if(
        &mut self,
        due: bool,
        table: &str,
        columns: &Columns,
        sender: &mpsc::Sender<LoadRequest>,
        next: u64,
    ) -> bool {
        if !due {
            return true;
        }
        let full = std::mem::replace(self, Message::new(columns.names.len(), next));
        if full.batch.is_empty() {
            return true;
        }
        let request = LoadRequest {
            table: table.to_owned(),
            columns: columns.names.clone(),
            batch: Some(full.batch.into()),
            first_row: full.first_row,
        };
        sender.blocking_send(request).is_ok()
    }
}

fn wrong_length(row: u64, fields: usize, expected: usize) -> RejectedRow {
    let message = format!("the row has {fields} fields, the header has {expected}");
    RejectedRow { row, reason: Reason::InvalidArgument.as_str().to_owned(), message }
}
