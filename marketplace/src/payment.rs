//! Money, and who takes it from customers.
//!
//! A real provider implements [`Payment`] by handing `key` to its service as the idempotency key of each call. Each call may come twice, after a crash
//! also much later, and must then do nothing more and answer as before. Nothing else is asked of it: the marketplace calls `capture` only when an order is
//! decided, and `void` only when it never will be.

use std::collections::HashMap;
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
    /// It will not be, however often it is asked for.
    #[error("the payment was declined: {0}")]
    Declined(Declined),
    /// Nobody knows whether it was: to be asked again, with the same key.
    #[error("the payment provider does not answer: {0}")]
    Unavailable(String),
}

/// In words for the customer. Never the token.
pub type Declined = String;

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
}

/// How long [`TestPayment`] takes not to answer.
const SILENCE: Duration = Duration::from_millis(200);

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// All keys with what became of them.
    pub fn charges(&self) -> HashMap<String, Charge> {
        self.charges.lock().clone()
    }
}

fn declined(why: &str) -> Result<(), PaymentError> {
    Err(PaymentError::Declined(why.to_owned()))
}

#[async_trait]
impl Payment for TestPayment {
    async fn authorize(&self, key: &str, token: &str, amount: &Money) -> Result<(), PaymentError> {
        let is_silent = {
            let mut charges = self.charges.lock();
            let charge = charges.entry(key.to_owned()).or_default();
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
            is_first && token != "ok"
        };
        if is_silent {
            tokio::time::sleep(SILENCE).await;
            return Err(PaymentError::Unavailable("no answer".to_owned()));
        }
        Ok(())
    }

    async fn capture(&self, key: &str) -> Result<(), PaymentError> {
        match self.charges.lock().get_mut(key) {
            Some(charge) if charge.authorized && !charge.voided => charge.captured = true,
            _ => return declined("nothing is held"),
        }
        Ok(())
    }

    async fn void(&self, key: &str) -> Result<(), PaymentError> {
        let mut charges = self.charges.lock();
        let charge = charges.entry(key.to_owned()).or_default();
        if charge.captured {
            return declined("it was taken");
        }
        charge.voided = true;
        charge.authorized = false;
        Ok(())
    }

    async fn refund(&self, key: &str, refund: &str, amount: &Money) -> Result<(), PaymentError> {
        match self.charges.lock().get_mut(key) {
            Some(charge) if charge.captured => charge.refunds.insert(refund.to_owned(), amount.minor),
            _ => return declined("nothing was taken"),
        };
        Ok(())
    }
}
