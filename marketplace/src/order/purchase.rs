//! A customer's record of an order: which vendors have a part in it, and how far it is. Each change is one local transaction of its house.

use serde::{Deserialize, Serialize};
use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};

use crate::error::{Error, Result};
use crate::ids::house_of_order;
use crate::market::Market;
use crate::payment::Money;
use crate::rows::{Row, json, text};

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It will be driven to the end, whatever that is.
    Accepted,
    /// Decided: all vendors will have their parts.
    Committed,
    /// Decided: no vendor will.
    Aborted,
    /// All vendors have their parts.
    Done,
    /// None has.
    Refused,
}

impl State {
    const ALL: [(State, &'static str); 5] = [
        (State::Accepted, "accepted"),
        (State::Committed, "committed"),
        (State::Aborted, "aborted"),
        (State::Done, "done"),
        (State::Refused, "refused"),
    ];

    fn word(self) -> &'static str {
        State::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Result<State> {
        let known = State::ALL.iter().find(|(_, known)| *known == word);
        known.map(|(state, _)| *state).ok_or_else(|| Error::internal(format!("an order has the state `{word}`")))
    }

    /// Nothing more is to be done.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, State::Done | State::Refused)
    }
}

/// So many pieces of a product at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) product_id: i64,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) price: i64,
}

/// A vendor's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) vendor: String,
    pub(crate) total: i64,
    pub(crate) items: Vec<Item>,
}

/// An order.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) id: String,
    pub(crate) house: String,
    pub(crate) customer: String,
    pub(crate) key: String,
    /// Of what was asked for.
    pub(crate) digest: i64,
    pub(crate) state: State,
    pub(crate) created_ms: i64,
    /// Not decided by then, it is refused.
    pub(crate) deadline_ms: i64,
    pub(crate) total: Money,
    pub(crate) token: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) refusals: Vec<v1::Refusal>,
}

/// In the order in which [`purchase`] reads them.
pub(super) const COLUMNS: &str = "id, house, customer, request_key, digest, state, created_ms, deadline_ms, total_cents, currency, token, parts, refusals";

pub(super) fn purchase(row: Vec<Value>) -> Result<Purchase> {
    let mut row = Row::new(row);
    Ok(Purchase {
        id: row.text()?,
        house: row.text()?,
        customer: row.text()?,
        key: row.text()?,
        digest: row.integer()?,
        state: State::of(&row.text()?)?,
        created_ms: row.integer()?,
        deadline_ms: row.integer()?,
        total: Money { minor: row.integer()?, currency: row.text()? },
        token: row.text()?,
        parts: row.json()?,
        refusals: row.json()?,
    })
}

impl Market {
    /// Writes an accepted order down; false when its customer has used the key before.
    pub(super) async fn accept(&self, purchase: &Purchase) -> Result<bool> {
        let places: Vec<String> = (1..=13).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO purchases({COLUMNS}) VALUES ({})", places.join(", "));
        let Purchase {
            id,
            house,
            customer,
            key,
            digest,
            state,
            created_ms,
            deadline_ms,
            total,
            token,
            parts,
            refusals,
        } = purchase;
        let parameters = [
            text(id),
            text(house),
            text(customer),
            text(key),
            Value::Integer(*digest),
            text(state.word()),
            Value::Integer(*created_ms),
            Value::Integer(*deadline_ms),
            Value::Integer(total.minor),
            text(&total.currency),
            text(token),
            json(parts)?,
            json(refusals)?,
        ];
        match self.database.execute(Statement::new(sql, parameters)).await {
            Ok(_) => Ok(true),
            Err(error) if error.reason == Reason::Constraint => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The order that a customer named so.
    pub(super) async fn purchase_of_key(&self, house: &str, customer: &str, key: &str) -> Result<Option<Purchase>> {
        let sql = format!("SELECT {COLUMNS} FROM purchases WHERE house = ?1 AND customer = ?2 AND request_key = ?3");
        self.one_purchase(Statement::new(sql, [text(house), text(customer), text(key)])).await
    }

    /// The order of this number.
    pub(super) async fn purchase_of_id(&self, id: &str) -> Result<Purchase> {
        let sql = format!("SELECT {COLUMNS} FROM purchases WHERE house = ?1 AND id = ?2");
        let found = self.one_purchase(Statement::new(sql, [text(&house_of_order(id)?), text(id)])).await?;
        found.ok_or_else(|| Error::not_found(format!("there is no order `{}`", id.escape_debug())))
    }

    async fn one_purchase(&self, statement: Statement) -> Result<Option<Purchase>> {
        self.database.query(statement).await?.pop().map(purchase).transpose()
    }

    /// Takes an order from one state to another, if it is still in the first: of several who try, one does. Gives the order as it is then.
    pub(super) async fn step(&self, purchase: Purchase, to: State, refusals: Vec<v1::Refusal>) -> Result<Purchase> {
        // What paid for it is nobody's business afterwards.
        let token = if to.is_final() { ", token = ''" } else { "" };
        let sql = format!(
            "UPDATE purchases SET state = ?1, refusals = ?2{token} WHERE house = ?3 AND id = ?4 AND state = ?5"
        );
        let parameters =
            [text(to.word()), json(&refusals)?, text(&purchase.house), text(&purchase.id), text(purchase.state.word())];
        let step = Statement::new(sql, parameters).expect(Expectation::Changes(1));
        match self.database.transact(vec![step]).await {
            Ok(_) => Ok(Purchase { state: to, refusals, ..purchase }),
            Err(error) if error.reason == Reason::Expectation => self.purchase_of_id(&purchase.id).await,
            Err(error) => Err(error.into()),
        }
    }
}
