//! Money, and who takes it from customers.
//!
//! A real provider implements [`Payment`] by handing `key` to its service as the idempotency key of each call. Each call may come twice, after a crash
//! also much later, and must then do nothing more and answer as before. Nothing else is asked of it: the marketplace calls `capture` only when an order is
//! decided, and `void` only when it never will be.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In minor units: cents of EUR.
    pub minor: i64,
    /// Three letters of ISO 4217.
    pub currency: String,
}

/// Why money was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// It will not be, however often it is asked for; in words for the customer, never the token.
    #[error("the payment was declined: {0}")]
    Declined(String),
    /// Nobody knows whether it was: to be asked again, with the same key.
    #[error("the payment provider does not answer: {0}")]
    Unavailable(String),
}

/// A payment provider. Every call is idempotent by its key.
#[async_trait]
pub trait Payment: Send + Sync {
    /// Holds an amount for an order, whose number is the key.
    async fn authorize(&self, key: &str, token: &str, amount: &Money) -> Result<(), PaymentError>;
    /// Takes what is held.
    async fn capture(&self, key: &str) -> Result<(), PaymentError>;
    /// Lets go of what is held; of an order of which nothing is held, makes sure that nothing will be.
    async fn void(&self, key: &str) -> Result<(), PaymentError>;
    /// Gives back a part of what was taken; `refund` names that part.
    async fn refund(&self, key: &str, refund: &str, amount: &Money) -> Result<(), PaymentError>;
}

/// A provider for tests and demonstrations, which takes no money. What it does depends on the token:
///
/// - `ok`: takes it.
/// - `decline`: declines.
/// - `timeout`: never answers the first time that it is asked, and holds nothing then.
/// - `lost`: holds the amount, and does not answer the first time.
///
/// Any other is declined.
#[derive(Debug, Default)]
pub struct TestPayment {
    book: Mutex<Book>,
}

/// What became of each key.
#[derive(Debug, Default)]
struct Book {
    charges: HashMap<String, Charge>,
    log: Option<Log>,
}

/// Where it is appended, a line of JSON for each change, by whichever process.
#[derive(Debug)]
struct Log {
    file: File,
    /// How much of it is known.
    known_bytes: u64,
}

/// How long [`TestPayment`] takes not to answer.
const SILENCE: Duration = Duration::from_millis(200);

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Charge {
    /// What is held or was taken.
    pub amount: i64,
    /// It was asked for.
    pub asked: bool,
    /// It is held.
    pub authorized: bool,
    /// It was taken.
    pub captured: bool,
    /// It never will be.
    pub voided: bool,
    /// What was given back, by name.
    pub refunds: HashMap<String, i64>,
}

impl TestPayment {
    /// One that knows after a restart what it did, and what others do that have the same file, which is made when it is missing. It survives the end of the process, not
    /// that of the machine.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> io::Result<TestPayment> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut book = Book { log: Some(Log { file, known_bytes: 0 }), ..Book::default() };
        book.alone(|book| book.catch_up())?;
        Ok(TestPayment { book: Mutex::new(book) })
    }

    /// All keys with what became of them.
    pub fn charges(&self) -> HashMap<String, Charge> {
        self.book.lock().charges.clone()
    }

    /// Changes what became of a key, and writes it down before anybody is told.
    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&mut Charge) -> Result<(), PaymentError>,
    ) -> Result<(), PaymentError> {
        let changed = self.book.lock().alone(|book| {
            book.catch_up()?;
            let mut charge = book.charges.get(key).cloned().unwrap_or_default();
            let changed = change(&mut charge);
            book.write(key, charge).map(|()| changed)
        });
        changed.map_err(|error| PaymentError::Unavailable(error.to_string()))?
    }
}

impl Book {
    /// Does something while no other process does.
    fn alone<T>(&mut self, act: impl FnOnce(&mut Book) -> io::Result<T>) -> io::Result<T> {
        let Some(log) = &self.log else { return act(self) };
        let lock = log.file.try_clone()?;
        lock.lock()?;
        let acted = act(self);
        lock.unlock()?;
        acted
    }

    /// Reads what others have written.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let mut text = String::new();
        log.file.seek(SeekFrom::Start(log.known_bytes))?;
        log.file.read_to_string(&mut text)?;
        for line in text.split_inclusive('\n') {
            if !line.ends_with('\n') {
                // What a crash cut short was never answered.
                return log.file.set_len(log.known_bytes);
            }
            let (key, charge): (String, Charge) = serde_json::from_str(line)?;
            self.charges.insert(key, charge);
            log.known_bytes += line.len() as u64;
        }
        Ok(())
    }

    /// Writes down what became of a key.
    fn write(&mut self, key: &str, charge: Charge) -> io::Result<()> {
        if let Some(log) = &mut self.log {
            let line = format!("{}\n", serde_json::to_string(&(key, &charge))?);
            log.file.write_all(line.as_bytes())?;
            log.known_bytes += line.len() as u64;
        }
        self.charges.insert(key.to_owned(), charge);
        Ok(())
    }
}

fn declined(why: &str) -> Result<(), PaymentError> {
    Err(PaymentError::Declined(why.to_owned()))
}

#[async_trait]
impl Payment for TestPayment {
    async fn authorize(&self, key: &str, token: &str, amount: &Money) -> Result<(), PaymentError> {
        let mut is_silent = false;
        self.change(key, |charge| {
            let is_first = !std::mem::replace(&mut charge.asked, true);
            if charge.voided {
                return declined("it was voided");
            }
            if !["ok", "timeout", "lost"].contains(&token) {
                return declined("the token is not good");
            }
            if !(is_first && token == "timeout") {
                (charge.authorized, charge.amount) = (true, amount.minor);
            }
            is_silent = is_first && token != "ok";
            Ok(())
        })?;
        if is_silent {
            tokio::time::sleep(SILENCE).await;
            return Err(PaymentError::Unavailable("no answer".to_owned()));
        }
        Ok(())
    }

    async fn capture(&self, key: &str) -> Result<(), PaymentError> {
        self.change(key, |charge| {
            if !charge.authorized || charge.voided {
                return declined("nothing is held");
            }
            charge.captured = true;
            Ok(())
        })
    }

    async fn void(&self, key: &str) -> Result<(), PaymentError> {
        self.change(key, |charge| {
            if charge.captured {
                return declined("it was taken");
            }
            (charge.voided, charge.authorized) = (true, false);
            Ok(())
        })
    }

    async fn refund(&self, key: &str, refund: &str, amount: &Money) -> Result<(), PaymentError> {
        self.change(key, |charge| {
            if !charge.captured {
                return declined("nothing was taken");
            }
            charge.refunds.insert(refund.to_owned(), amount.minor);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn providers_of_one_file_are_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("payments.jsonl");
        let open = || TestPayment::open(&path).expect("a file");
        let (one, other) = (open(), open());
        let money = Money { minor: 500, currency: "EUR".into() };
        one.authorize("a", "ok", &money).await.expect("held");
        other.capture("a").await.expect("taken");
        assert!(matches!(one.void("a").await, Err(PaymentError::Declined(_))), "it was taken");
        assert_eq!(one.charges(), open().charges());
        // A crash cuts a line short.
        let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
        file.write_all(br#"["b",{"amo"#).expect("a part of a line");
        one.void("b").await.expect("let go");
        let last = open();
        assert!(last.charges()["b"].voided && last.charges().len() == 2);
        assert_eq!(other.void("b").await, Ok(()));
        assert_eq!(other.charges(), one.charges());
    }
}
