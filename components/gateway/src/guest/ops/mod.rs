//! The operations of the API, called by REST and GraphQL alike.
//!
//! Each fetches from one domain what another needs and passes it on. No rule is decided here.

pub mod accounts;
pub mod advice;
pub mod insights;
pub mod invoices;
pub mod marks;
pub mod notifications;
pub mod profiles;
pub mod quotes;
pub mod rides;
pub mod shop;
pub mod tracks;

use super::bindings::petwalker::identity::accounts::{self as identity, Caller};
use super::bindings::petwalker::matching::rides::{self as matching, Ride};
use super::problem::Problem;
use super::regions;

/// What an operation gives.
pub type Outcome<T> = Result<T, Problem>;

/// A ride of this region, as the caller may see it.
pub fn ride(caller: &Caller, id: &str) -> Outcome<Ride> {
    regions::owns(id)?;
    Ok(matching::get(caller, id)?)
}

/// What a person's part of events is sealed with. A person who is not known here yet will be.
pub fn seal_key(account_id: &str) -> Outcome<Option<Vec<u8>>> {
    identity::seal_key(account_id).map_err(|refusal| match refusal.code {
        identity::RefusalCode::NotFound => {
            Problem::new("unavailable", "this account is not known here yet; try again shortly")
        }
        _ => refusal.into(),
    })
}
