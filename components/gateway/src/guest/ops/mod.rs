//! The operations of the API, called by REST and GraphQL alike.
//!
//! Each fetches from one domain what another needs and passes it on. No rule is decided here.

pub mod accounts;
pub mod advice;
pub mod invoices;
pub mod marks;
pub mod profiles;
pub mod quotes;
pub mod rides;
pub mod shop;
pub mod tracks;

use super::problem::Problem;

/// What an operation gives.
pub type Outcome<T> = Result<T, Problem>;
