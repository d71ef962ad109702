//! Money, and who takes it from customers.
//!
//! A real provider implements [`Payment`] by handing `key` to its service as the idempotency key of each call. Each call may come twice, after a crash
//! also much later, and must then do nothing more and answer as before. Nothing else is asked of it: the marketplace calls `capture` only when an order is
//! decided, and `void` only when it never will be.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
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
    charges: Mutex<HashMap<String, Charge>>,
    /// Where what became of each key is appended, a line of JSON for each change.
    log: Option<Mutex<File>>,
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
    /// One that knows after a restart what it did, from a file that is made when it is missing. It survives the end of the process, not that of the machine.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> io::Result<TestPayment> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut charges = HashMap::new();
        // A line that a crash cut short was never answered.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let (key, charge): (String, Charge) = serde_json::from_str(line)?;
            charges.insert(key, charge);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(TestPayment { charges: Mutex::new(charges), log: Some(Mutex::new(file)) })
    }

    /// All keys with what became of them.
    pub fn charges(&self) -> HashMap<String, Charge> {
        self.charges.lock().clone()
    }

    /// Changes what became of a key, and writes it down before anybody is told.
    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&mut Charge) -> Result<(), PaymentError>,
    ) -> Result<(), PaymentError> {
        let mut charges = self.charges.lock();
        let charge = charges.entry(key.to_owned()).or_default();
        let changed = change(charge);
        let Some(log) = &self.log else { return changed };
        let unwritten = |error: &dyn std::fmt::Display| PaymentError::Unavailable(error.to_string());
        let line = serde_json::to_string(&(key, charge)).map_err(|error| unwritten(&error))?;
        log.lock().write_all(format!("{line}\n").as_bytes()).map_err(|error| unwritten(&error))?;
        changed
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
