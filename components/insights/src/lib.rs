//! What the service does as a whole, in figures.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
