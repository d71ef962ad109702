//! A copy of batches that go by.

use crate::Batch;

/// A copy of all batches that go by, as long as they are small enough together.
#[derive(Debug)]
pub struct BatchCopy {
    batches: Option<Vec<Batch>>,
    bytes_left: u64,
}

impl BatchCopy {
    /// Nothing yet, and no more than so many bytes.
    pub fn new(bytes_max: u64) -> BatchCopy {
        BatchCopy { batches: Some(Vec::new()), bytes_left: bytes_max }
    }

    /// Copies a batch, or gives the copy up when it would be too much.
    pub fn add(&mut self, batch: &Batch) {
        match self.bytes_left.checked_sub(batch.byte_size() as u64) {
            Some(left) => {
                self.bytes_left = left;
                self.batches.iter_mut().for_each(|batches| batches.push(batch.clone()));
            }
            None => self.batches = None,
        }
    }

    /// All batches that went by; none when they were too much.
    pub fn into_batches(self) -> Option<Vec<Batch>> {
        self.batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueRef;

    #[test]
    fn a_copy_is_whole_or_none() {
        let mut batch = Batch::new(1);
        batch.push_row([ValueRef::Text(b"abc")]);
        let size = batch.byte_size() as u64;
        let copied = |bytes_max| {
            let mut copy = BatchCopy::new(bytes_max);
            [&batch, &batch, &Batch::new(1)].into_iter().for_each(|batch| copy.add(batch));
            copy.into_batches().map(|batches| batches.len())
        };
        assert_eq!((copied(2 * size), copied(2 * size - 1), copied(0)), (Some(3), None, None));
    }
}
