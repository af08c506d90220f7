//! Runs WebAssembly components the way Spin does.
//!
//! This is the lowest layer of an edge node. It reads a Spin manifest, links each component with its dependencies,
//! compiles the result once, and answers HTTP requests with reused instances under limits of memory and time. What a
//! component may import is what stock Spin offers: `wasi:*`, `spin:sqlite`, `spin:key-value` and `spin:variables`.
//! Databases and stores are behind the traits of [`storage`]; the layer above brings them.
//!
//! Nothing here knows what the components are for.

pub mod admission;
pub mod app;
pub mod cache;
mod call;
pub mod compose;
pub mod engine;
pub mod handler;
mod imports;
mod instance;
mod interfaces;
mod isolated;
pub mod manifest;
pub mod outbound;
mod population;
pub mod route;
pub mod storage;
mod turnstile;
pub mod variables;

pub use admission::{IsolationOptions, Lane};
pub use app::{App, AppBuilder, AppError, CallError, CompileObserver, Compiling, Runtime};
pub use engine::{Limits, new_engine};
pub use manifest::Manifest;

/// The body of a request or response that crosses the boundary to a component.
pub type Body = wasmtime_wasi_http::WasiBody;

/// Why a [`Body`] broke off.
pub use wasmtime_wasi_http::Error as BodyError;

/// An empty [`Body`].
#[must_use]
pub fn empty_body() -> Body {
    use http_body_util::BodyExt as _;
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A [`Body`] of one chunk.
#[must_use]
pub fn full_body(bytes: impl Into<bytes::Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
