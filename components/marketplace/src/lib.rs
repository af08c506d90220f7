//! Marketplace: catalogue, cart and checkout of things for pets.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
