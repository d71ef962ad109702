//! From step to step, until an order is done or refused. Whoever drives it: every step may be repeated, and where two could decide otherwise, one wins.
//!
//! ```text
//! accepted --- one vendor:  authorize, place -------------------------> done      (capture)
//!    |         several:     reserve at each, authorize --> committed -> done      (capture, confirm at each)
//!    +-------- a no, or the deadline ---------------> aborted --------> refused   (void, release at each)
//! ```
//!
//! An order over one vendor is decided by the vendor's own transaction; one over several by the step from `accepted` to `committed` or `aborted`.

use std::future::Future;
use std::time::Duration;

use futures::future::{FutureExt as _, join_all};
use souk_proto::{Reason, v1};
use tokio::time::timeout;

use super::purchase::{Part, Purchase, State};
use super::vendor::{Said, too_late};
use crate::error::{Error, Result};
use crate::market::{Driven, Market};
use crate::payment::PaymentError;
use crate::time::now_ms;

/// How long is waited before a step is tried again: about this at first, then twice as long each time.
const RETRY_FIRST: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How long a provider may take for one answer.
const PAYMENT_MAX: Duration = Duration::from_secs(10);

/// How long an order is driven at least before it is left to the sweeper.
const DRIVEN_MIN: Duration = Duration::from_secs(10);

impl Market {
    /// Drives an order; who comes while it is driven waits with the others. It goes on when nobody waits.
    pub(super) async fn drive(&self, purchase: Purchase) -> Result<Purchase> {
        if purchase.state.is_final() {
            return Ok(purchase);
        }
        let id = purchase.id.clone();
        let driven = {
            let mut all = self.driven.lock();
            let begin = || {
                let market = self.clone();
                let over = Over { market: self.clone(), id: purchase.id.clone() };
                let task = tokio::spawn(async move {
                    let _over = over;
                    market.drive_alone(purchase).await
                });
                let driven: Driven = task
                    .map(|done| done.unwrap_or_else(|_| Err(Error::internal("driving an order broke down"))))
                    .boxed()
                    .shared();
                driven
            };
            all.entry(id).or_insert_with(begin).clone()
        };
        driven.await
    }

    /// Drives the order of this number, if it is not done.
    pub(crate) async fn drive_on(&self, id: &str) -> Result<()> {
        let purchase = self.purchase_of_id(id).await?;
        self.drive(purchase).await.map(drop)
    }

    /// Step after step. A step that fails is tried again, until the deadline at least; then the order is left to the sweeper, and given as it is.
    async fn drive_alone(&self, mut purchase: Purchase) -> Result<Purchase> {
        let mut wait = RETRY_FIRST;
        let give_up_ms = purchase.deadline_ms.max(now_ms() + DRIVEN_MIN.as_millis() as i64);
        while !purchase.state.is_final() {
            match self.next(&purchase).await {
                Ok(next) => purchase = next,
                Err(error) if now_ms() >= give_up_ms => {
                    tracing::warn!("order {} is left as it is, {:?}: {error}", purchase.id, purchase.state);
                    break;
                }
                Err(error) => {
                    tracing::debug!("order {}, {:?}: {error}", purchase.id, purchase.state);
                    tokio::time::sleep(jittered(wait)).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
            }
        }
        Ok(purchase)
    }

    async fn next(&self, purchase: &Purchase) -> Result<Purchase> {
        match purchase.state {
            State::Accepted if now_ms() >= purchase.deadline_ms => self.abort(purchase, vec![too_late()]).await,
            State::Accepted => match purchase.parts.as_slice() {
                [part] => self.decide_at_vendor(purchase, part).await,
                parts => self.decide_here(purchase, parts).await,
            },
            State::Committed => self.finish(purchase).await,
            State::Aborted => self.undo(purchase).await,
            State::Done | State::Refused => Ok(purchase.clone()),
        }
    }

    /// Nobody else has a part: its vendor's transaction is the decision.
    async fn decide_at_vendor(&self, purchase: &Purchase, part: &Part) -> Result<Purchase> {
        if let Err(refusal) = self.authorize(purchase).await? {
            return self.abort(purchase, vec![refusal]).await;
        }
        match self.place_at_once(purchase, part).await? {
            Said::Yes => self.finish(purchase).await,
            Said::No(refusals) => self.abort(purchase, refusals).await,
        }
    }

    async fn decide_here(&self, purchase: &Purchase, parts: &[Part]) -> Result<Purchase> {
        let mut refusals = Vec::new();
        for said in join_all(parts.iter().map(|part| self.reserve(purchase, part))).await {
            if let Said::No(more) = said? {
                refusals.extend(more);
            }
        }
        if refusals.is_empty() {
            refusals.extend(self.authorize(purchase).await?.err());
        }
        if refusals.is_empty() {
            self.step(purchase.clone(), State::Committed, Vec::new()).await
        } else {
            self.abort(purchase, refusals).await
        }
    }

    /// Decides that it is not done. One vendor's order may have been placed meanwhile: then the vendor has decided.
    async fn abort(&self, purchase: &Purchase, refusals: Vec<v1::Refusal>) -> Result<Purchase> {
        if let [part] = purchase.parts.as_slice()
            && !self.release(purchase, part).await?
        {
            return self.finish(purchase).await;
        }
        self.step(purchase.clone(), State::Aborted, refusals).await
    }

    /// What is decided is done everywhere.
    async fn finish(&self, purchase: &Purchase) -> Result<Purchase> {
        let captured = in_time(self.payment.capture(&purchase.id));
        let confirmed = async {
            match purchase.state {
                State::Committed => join_all(purchase.parts.iter().map(|part| self.confirm(purchase, part))).await,
                _ => Vec::new(),
            }
        };
        let (captured, confirmed) = futures::join!(captured, confirmed);
        confirmed.into_iter().collect::<Result<()>>()?;
        captured.map_err(|error| unpaid(purchase, &error))?;
        match purchase.state {
            State::Committed => Ok(self.note_done(purchase)),
            // Nothing but the vendor's own row says so yet.
            _ => self.step(purchase.clone(), State::Done, Vec::new()).await,
        }
    }

    /// Notes that everybody has what was decided. Nobody waits for that: if it fails, the sweeper finds it undone.
    fn note_done(&self, purchase: &Purchase) -> Purchase {
        let (market, decided) = (self.clone(), purchase.clone());
        tokio::spawn(async move {
            let id = decided.id.clone();
            if let Err(error) = market.step(decided, State::Done, Vec::new()).await {
                tracing::debug!("order {id}: that it is done is not noted: {error}");
            }
        });
        Purchase { state: State::Done, ..purchase.clone() }
    }

    /// What is decided against is undone everywhere.
    async fn undo(&self, purchase: &Purchase) -> Result<Purchase> {
        let voided = in_time(self.payment.void(&purchase.id));
        let released = join_all(purchase.parts.iter().map(|part| self.release(purchase, part)));
        let (voided, released) = futures::join!(voided, released);
        for (part, released) in purchase.parts.iter().zip(released) {
            if !released? {
                let message =
                    format!("vendor `{}` has placed its part of order {}, which was aborted", part.vendor, purchase.id);
                return Err(Error::internal(message));
            }
        }
        voided.map_err(|error| unpaid(purchase, &error))?;
        self.step(purchase.clone(), State::Refused, purchase.refusals.clone()).await
    }

    /// Has the amount held; why not, when it is declined.
    async fn authorize(&self, purchase: &Purchase) -> Result<std::result::Result<(), v1::Refusal>> {
        match in_time(self.payment.authorize(&purchase.id, &purchase.token, &purchase.total)).await {
            Ok(()) => Ok(Ok(())),
            Err(PaymentError::Declined(why)) => Ok(Err(v1::Refusal {
                reason: "PAYMENT_DECLINED".to_owned(),
                message: format!("the payment was declined: {why}"),
                ..v1::Refusal::default()
            })),
            Err(error @ PaymentError::Unavailable(_)) => Err(unpaid(purchase, &error)),
        }
    }
}

/// Says that an order is driven no more, also when that broke down.
struct Over {
    market: Market,
    id: String,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.market.driven.lock().remove(&self.id);
    }
}

/// What a provider says, which does not make an order wait for ever.
pub(super) async fn in_time(
    call: impl Future<Output = std::result::Result<(), PaymentError>>,
) -> std::result::Result<(), PaymentError> {
    let silent = || Err(PaymentError::Unavailable(format!("no answer in {} seconds", PAYMENT_MAX.as_secs())));
    timeout(PAYMENT_MAX, call).await.unwrap_or_else(|_| silent())
}

/// The provider does not do what is decided; it is asked again.
fn unpaid(purchase: &Purchase, error: &PaymentError) -> Error {
    if matches!(error, PaymentError::Declined(_)) {
        tracing::error!("order {}: {error}, which had to be done", purchase.id);
    }
    Error::new(Reason::Overloaded, error.to_string())
}

/// Between half of it and all.
fn jittered(wait: Duration) -> Duration {
    let chance = uuid::Uuid::now_v7().as_u128() as u32;
    wait / 2 + wait.mul_f64(f64::from(chance) / f64::from(u32::MAX)) / 2
}
