//! What is sold.
//!
//! - [`vendors`]: who sells. [`products`]: what, and how much of it there is.
//! - [`browse`]: looking through it, page by page.
//! - [`reviews`]: one product, and what customers say of it.

mod browse;
mod products;
mod reviews;
mod vendors;

pub(crate) use browse::sorts;
