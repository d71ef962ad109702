//! The generator of the end-to-end tests, from where it lives.

#![allow(dead_code, unreachable_pub, unused_imports, missing_docs)]

#[path = "../../../tests/support/expression.rs"]
pub(super) mod expression;
#[path = "../../../tests/support/generate/mod.rs"]
pub(super) mod generate;
#[path = "../../../tests/support/plain.rs"]
mod plain;
#[path = "../../../tests/support/random.rs"]
pub(super) mod random;
#[path = "../../../tests/support/table.rs"]
pub(super) mod table;
#[path = "../../../tests/support/values.rs"]
mod values;
