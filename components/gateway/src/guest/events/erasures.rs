//! People who were erased: what each part of the service keeps of them is removed, region by region.

use std::collections::BTreeMap;

use petwalker_journal::Envelope;
use serde::Deserialize;

use super::count;
use crate::guest::bindings::petwalker::billing::invoices;
use crate::guest::bindings::petwalker::identity::accounts::{self, Caller, CallerRole, Command, Erasure};
use crate::guest::bindings::petwalker::marketplace::shop;
use crate::guest::bindings::petwalker::matching::rides::{self, RefusalCode, RideAction};
use crate::guest::bindings::petwalker::notifications::inbox;
use crate::guest::bindings::petwalker::tracking::routes;
use crate::guest::live;
use crate::guest::ops::{Outcome, marks};
use crate::guest::problem::Problem;

/// Rides that are looked at together.
const PAGE: u32 = 100;

/// Follows the erasures that this region has not followed yet, some of them. Each step may be repeated; the region's own,
/// which notes that it was followed, comes last. A walk that is under way goes on, and its track goes with its end: see
/// [`ended`].
pub async fn follow(removed: &mut BTreeMap<String, u64>) -> Outcome<()> {
    for Erasure { seq, account_id } in accounts::erasures_after(rides::erased_up_to()?)? {
        call_off(&account_id)?;
        let over = tracks_over(&account_id)?;
        for ride in &over {
            marks::erase_all(ride).await?;
        }
        count(removed, "tracks", over.len() as u64);
        if !tracks_over(&account_id)?.is_empty() {
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

/// Calls off the rides of somebody who was erased and that have not begun: as their tutor, or as their walker, who is replaced.
fn call_off(account_id: &str) -> Outcome<()> {
    let nameless = Command { id: String::new(), fingerprint: Vec::new() };
    for role in [CallerRole::Tutor, CallerRole::Walker] {
        let caller = Caller { account_id: account_id.to_owned(), role };
        let mut cursor = None;
        loop {
            let page = rides::list(&caller, cursor.as_deref(), PAGE)?;
            let has_not_begun = |state| !live::is_over(state) && !live::is_under_way(state);
            for ride in page.rides.iter().filter(|ride| has_not_begun(ride.state)) {
                match rides::act(&nameless, &caller, &ride.id, None, &RideAction::Cancel) {
                    // It began or ended meanwhile.
                    Err(refusal) if refusal.code == RefusalCode::IllegalTransition => {}
                    called_off => drop(called_off?),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The tracks of a tutor whose walks are not under way.
fn tracks_over(account_id: &str) -> Outcome<Vec<String>> {
    let tracks = routes::tracks_of(account_id)?;
    let states = rides::statuses(&tracks)?;
    let over = tracks.into_iter().zip(states).filter(|(_, status)| {
        // A track without a ride is nobody's.
        status.as_ref().is_none_or(|status| !live::is_under_way(status.state))
    });
    Ok(over.map(|(ride, _)| ride).collect())
}

/// Whose ride an event is about; other fields are passed over.
#[derive(Deserialize)]
struct Facts {
    tutor_id: Option<String>,
}

/// Erases the tracks of walks that these events end and whose tutors were erased meanwhile. One that cannot be erased now, such as
/// where its photos are in a store that is away, is left to the timer: the events of everybody would wait for it. What comes again
/// changes nothing.
pub async fn ended(events: &[Envelope]) -> Outcome<()> {
    for event in events.iter().filter(|event| ends_a_walk(&event.event_type)) {
        let facts: Facts = event.facts().map_err(|e| Problem::new("malformed", e.to_string()))?;
        let Some(tutor_id) = facts.tutor_id else { continue };
        match accounts::seal_key(&tutor_id) {
            Ok(None) => erase_or_expire(&event.stream_id).await?,
            // Who is not known here, or not yet, was not erased.
            Ok(Some(_)) => {}
            Err(refusal) if refusal.code == accounts::RefusalCode::NotFound => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(())
}

async fn erase_or_expire(ride: &str) -> Outcome<()> {
    let Err(problem) = marks::erase_all(ride).await else { return Ok(()) };
    eprintln!("the track of ride {ride} is left to the timer: {}", problem.detail);
    Ok(routes::expire(ride)?)
}

fn ends_a_walk(event_type: &str) -> bool {
    matches!(event_type, "ride.completed" | "ride.interrupted")
}
