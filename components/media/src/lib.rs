//! Photos of walks: told by their content, cleaned of what they say about where and who, kept in an S3-compatible store.

pub mod domain;
#[cfg(target_family = "wasm")]
mod guest;
