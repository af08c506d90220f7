//! Figures of the service.

use super::Outcome;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::insights::figures::{self, Day};

pub async fn days(caller: Caller, since: String, until: String, region: Option<String>) -> Outcome<Vec<Day>> {
    Ok(figures::days(caller, since, until, region).await?)
}
