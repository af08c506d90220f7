//! What people are told, and in which words.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
