//! A task with a mailbox for each cart. It ends when its cart is empty, or nobody has used it for a while.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use souk_proto::{Reason, v1};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::contents::Contents;
use crate::checks::word_is_sound;
use crate::error::{Error, Result};
use crate::market::Market;
use crate::order::QUANTITY_MAX;

/// Letters that wait for a cart; who writes more waits.
const MAILBOX: usize = 4;

/// Carts at a time: about 700 MiB of them.
const CARTS_MAX: usize = 250_000;

/// All carts, by customer. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Carts(Arc<Mutex<HashMap<Arc<str>, mpsc::Sender<Letter>>>>);

/// What a cart is asked, with where to answer. Boxed: a mailbox has room for many.
type Letter = Box<Ask>;

enum Ask {
    Add(v1::Product, i64, oneshot::Sender<Result<v1::Cart>>),
    Set(v1::Product, i64, oneshot::Sender<Result<v1::Cart>>),
    Show(oneshot::Sender<Result<v1::Cart>>),
    Checkout(v1::CheckoutRequest, oneshot::Sender<Result<v1::PlaceOrderResponse>>),
}

impl Market {
    pub(crate) async fn add_to_cart(&self, request: v1::AddToCartRequest) -> Result<v1::Cart> {
        let v1::AddToCartRequest { customer, vendor_id, sku, quantity } = request;
        line_is_sound(&customer, &vendor_id, &sku)?;
        if !(1..=QUANTITY_MAX).contains(&quantity) {
            let message = format!("`quantity` is {quantity}: it is 1 to {QUANTITY_MAX}; to take pieces out, change it");
            return Err(Error::invalid(message));
        }
        let product = self.product(&vendor_id, &sku).await?;
        self.ask_cart(&customer, |answer| Ask::Add(product, quantity, answer)).await
    }

    pub(crate) async fn change_cart(&self, request: v1::ChangeCartRequest) -> Result<v1::Cart> {
        let v1::ChangeCartRequest { customer, vendor_id, sku, quantity } = request;
        line_is_sound(&customer, &vendor_id, &sku)?;
        if !(0..=QUANTITY_MAX).contains(&quantity) {
            return Err(Error::invalid(format!("`quantity` is {quantity}: it is 0 to {QUANTITY_MAX}")));
        }
        let product = match quantity {
            // Even one that is not sold any more can be taken out.
            0 => v1::Product { vendor_id, sku, ..v1::Product::default() },
            _ => self.product(&vendor_id, &sku).await?,
        };
        self.ask_cart(&customer, |answer| Ask::Set(product, quantity, answer)).await
    }

    pub(crate) async fn get_cart(&self, request: v1::GetCartRequest) -> Result<v1::Cart> {
        word_is_sound("customer", &request.customer)?;
        self.ask_cart(&request.customer, Ask::Show).await
    }

    pub(crate) async fn checkout(&self, request: v1::CheckoutRequest) -> Result<v1::PlaceOrderResponse> {
        let v1::CheckoutRequest { customer, idempotency_key, payment_token } = &request;
        for (name, word) in
            [("customer", customer), ("idempotency_key", idempotency_key), ("payment_token", payment_token)]
        {
            word_is_sound(name, word)?;
        }
        let customer = customer.clone();
        self.ask_cart(&customer, |answer| Ask::Checkout(request, answer)).await
    }

    /// Has a customer's cart do something, and waits for what it says.
    async fn ask_cart<T>(&self, customer: &str, ask: impl FnOnce(oneshot::Sender<Result<T>>) -> Ask) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        let broken = || Error::internal("the cart broke down");
        self.cart_of(customer)?.send(Box::new(ask(sender))).await.map_err(|_| broken())?;
        answer.await.map_err(|_| broken())?
    }

    /// The mailbox of a customer's cart, which is made when there is none. No cart makes room for another: what is in it is somebody's.
    fn cart_of(&self, customer: &str) -> Result<mpsc::Sender<Letter>> {
        let mut carts = self.carts.0.lock();
        if let Some(cart) = carts.get(customer).filter(|cart| !cart.is_closed()) {
            return Ok(cart.clone());
        }
        if carts.len() >= CARTS_MAX {
            let message = format!(
                "{CARTS_MAX} customers have a cart here, which is the most: try again later, or at another coordinator"
            );
            return Err(Error::new(Reason::Overloaded, message));
        }
        let (sender, letters) = mpsc::channel(MAILBOX);
        let customer: Arc<str> = customer.into();
        carts.insert(Arc::clone(&customer), sender.clone());
        tokio::spawn(live(self.clone(), customer, letters));
        Ok(sender)
    }
}

/// Whose cart, and which product.
fn line_is_sound(customer: &str, vendor: &str, sku: &str) -> Result<()> {
    word_is_sound("customer", customer)?;
    word_is_sound("vendor_id", vendor)?;
    word_is_sound("sku", sku)
}

impl Carts {
    /// Lets a cart go, if nobody is about to write to it: who writes has its mailbox from here.
    fn let_go(&self, customer: &str, letters: &mpsc::Receiver<Letter>) -> bool {
        let mut carts = self.0.lock();
        let is_unused = letters.is_empty() && letters.sender_strong_count() == 1;
        if is_unused {
            carts.remove(customer);
            // A map that was large once is not for ever.
            if carts.len() < carts.capacity() / 4 {
                carts.shrink_to_fit();
            }
        }
        is_unused
    }
}

async fn live(market: Market, customer: Arc<str>, mut letters: mpsc::Receiver<Letter>) {
    let mut contents = Contents::default();
    loop {
        match timeout(market.settings.cart_kept_for, letters.recv()).await {
            Ok(Some(letter)) => {
                answer(&market, &customer, &mut contents, *letter).await;
                if contents.is_empty() && market.carts.let_go(&customer, &letters) {
                    return;
                }
            }
            Err(_) if !market.carts.let_go(&customer, &letters) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

async fn answer(market: &Market, customer: &str, contents: &mut Contents, ask: Ask) {
    // Who does not wait for the answer any more wants none.
    match ask {
        Ask::Add(product, more, answer) => {
            let quantity = contents.quantity(&product.vendor_id, &product.sku).saturating_add(more);
            let set = contents.set(&product, quantity);
            let _ = answer.send(set.and_then(|()| contents.shown(customer)));
        }
        Ask::Set(product, quantity, answer) => {
            let set = contents.set(&product, quantity);
            let _ = answer.send(set.and_then(|()| contents.shown(customer)));
        }
        Ask::Show(answer) => {
            let _ = answer.send(contents.shown(customer));
        }
        Ask::Checkout(request, answer) => {
            let _ = answer.send(Box::pin(checkout(market, contents, request)).await);
        }
    }
}

/// Orders what is in a cart. A checkout that comes again finds its order, and by then perhaps an empty cart.
async fn checkout(
    market: &Market,
    contents: &mut Contents,
    request: v1::CheckoutRequest,
) -> Result<v1::PlaceOrderResponse> {
    let v1::CheckoutRequest { customer, idempotency_key, payment_token } = request;
    let lines = contents.order_lines();
    let is_empty = lines.is_empty();
    let currency = contents.currency();
    let order = v1::PlaceOrderRequest { idempotency_key, customer, lines, payment_token, currency };
    let response = match market.placed_before(order.clone()).await? {
        Some(response) => response,
        None if is_empty => return Err(Error::new(Reason::WrongState, "the cart is empty")),
        None => market.place_order(order).await?,
    };
    match &response.order {
        Some(order) if order.state == "refused" => contents.learn(&order.refusals),
        // It may yet be refused.
        Some(order) if order.state == "pending" => {}
        _ => *contents = Contents::default(),
    }
    Ok(response)
}
