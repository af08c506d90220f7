//! Advice on a pet's health, always with its reasons.

pub mod domain;

#[cfg(target_family = "wasm")]
mod guest;
