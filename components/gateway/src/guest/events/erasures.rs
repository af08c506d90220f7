//! People who were erased: what each part of the service keeps of them is removed, region by region.

use std::collections::BTreeMap;

use super::count;
use crate::guest::bindings::petwalker::billing::invoices;
use crate::guest::bindings::petwalker::identity::accounts::{self, Erasure};
use crate::guest::bindings::petwalker::marketplace::shop;
use crate::guest::bindings::petwalker::matching::rides;
use crate::guest::bindings::petwalker::notifications::inbox;
use crate::guest::bindings::petwalker::tracking::routes;
use crate::guest::ops::{Outcome, marks};

/// Follows the erasures that this region has not followed yet, some of them. Each step may be repeated; the region's own,
/// which notes that it was followed, comes last.
pub async fn follow(removed: &mut BTreeMap<String, u64>) -> Outcome<()> {
    for Erasure { seq, account_id } in accounts::erasures_after(rides::erased_up_to()?)? {
        let tracks = routes::tracks_of(&account_id)?;
        for ride in &tracks {
            marks::erase_all(ride).await?;
        }
        count(removed, "tracks", tracks.len() as u64);
        if !routes::tracks_of(&account_id)?.is_empty() {
            // More of them with the next tick.
            return Ok(());
        }
        invoices::forget(account_id.clone()).await?;
        shop::forget(account_id.clone()).await?;
        inbox::forget(account_id.clone()).await?;
        rides::forget(seq, &account_id)?;
        count(removed, "people", 1);
    }
    Ok(())
}
