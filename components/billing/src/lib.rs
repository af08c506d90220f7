//! Who owes whom: invoices, payments and the ledger under them.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
