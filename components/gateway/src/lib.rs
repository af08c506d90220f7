//! The gateway: HTTP in front of the domains.
//!
//! No rule lives here. A request is authenticated, its body read into the domains' own types, the domain asked, and the
//! answer written. REST and GraphQL call the same operations ([`guest::ops`]). The records of the WIT packages are the
//! API's types: their documentation is the API's documentation. What a GraphQL document may cost is worked out in [`domain`].

pub mod domain;

#[cfg(target_family = "wasm")]
mod guest;
