//! Who people are: accounts, sessions, pets and walker profiles.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
