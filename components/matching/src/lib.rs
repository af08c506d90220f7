//! Matching: the ride from request to end, and the walkers around it.
//!
//! [`domain`] holds the rules, [`sql`] the statements, [`service`] what a caller can do with both. The component's
//! bindings exist for WebAssembly only, so no rule can reach them.

pub mod domain;
pub mod service;
pub mod sql;

#[cfg(target_family = "wasm")]
mod guest;
