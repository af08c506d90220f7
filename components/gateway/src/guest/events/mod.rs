//! What the node itself asks, or a relay beside another runtime: events to consume, and timers.

mod bills;
mod erasures;
mod figures;
mod notices;

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use petwalker_journal::{Batch, Envelope};
use serde::Serialize;
use spin_sdk::wasip3::clocks::monotonic_clock;

use super::bindings::petwalker::billing::invoices::{self, EventRun};
use super::bindings::petwalker::identity::accounts;
use super::bindings::petwalker::marketplace::shop as marketplace;
use super::bindings::petwalker::matching::rides;
use super::bindings::petwalker::notifications::inbox;
use super::bindings::petwalker::tracking::routes;
use super::ops::{Outcome, marks, shop};
use super::problem::Problem;

/// Days after which the points of a walk are erased.
const RETENTION_VARIABLE: &str = "track_retention_days";
/// Days after the end of a ride after which its pickup, notes and PIN are removed.
const DETAILS_VARIABLE: &str = "details_retention_days";

#[derive(Serialize)]
struct Reached {
    /// How far all consumers are.
    reached: u64,
    /// What the events changed: those who watch it are told.
    changed: Vec<String>,
}

/// Consumes a batch of records; how far all consumers are. An empty batch only asks. Each consumer stores its offset with its
/// effect; one that fails does not keep the others from going on, and is handed the events again.
pub async fn consume(body: &Bytes) -> Outcome<Response> {
    let malformed = |e: &dyn std::fmt::Display| Problem::new("malformed", e.to_string());
    let batch: Batch = rmp_serde::from_slice(body).map_err(|e| malformed(&e))?;
    let events: Vec<Envelope> = batch
        .records
        .iter()
        .map(|record| Envelope::decode(record).map_err(|e| malformed(&e)))
        .collect::<Outcome<_>>()?;
    let region = rides::region()?;
    let stream = format!("region/{region}");
    let billed = bills::consume(&stream, &events).await;
    let told = notices::consume(&stream, &events).await;
    let counted = figures::consume(&region, &stream, &events).await;
    erasures::ended(&events).await?;
    let reached = billed?.min(told?).min(counted?);
    // What happens on a track was told with the point that it happened at.
    let changes = events.iter().filter(|event| !event.event_type.starts_with("track."));
    let changed = changes.map(|event| event.stream_id.clone()).collect();
    let answer = rmp_serde::to_vec_named(&Reached { reached, changed })
        .map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(answer.into_response())
}

/// Those of the events that a consumer has not seen, which stands at `reached`: the run of them, and the ones of rides.
fn unseen<'a>(stream: &str, events: &'a [Envelope], reached: u64) -> Option<(EventRun, Vec<&'a Envelope>)> {
    let new = || events.iter().filter(|event| event.seq > reached);
    let (first, last) = (new().next()?.seq, new().next_back()?.seq);
    let of_rides = new().filter(|event| event.event_type.starts_with("ride.")).collect();
    Some((EventRun { stream: stream.to_owned(), first, last }, of_rides))
}

/// What tracks were told in the region's events, for the node.
#[derive(Serialize)]
struct Settled {
    done: u32,
    /// Tracks that cannot be read.
    failed: u32,
}

/// Tracks of which the events have lacked something for so long are told with the timers, too: beside another runtime there is
/// nobody who asks for it, and a node has asked before.
const LACKING_MS: u32 = 700;

/// Has the region's events hold all that was stored so far.
pub async fn settle() -> Outcome<Response> {
    let settled = tell_tracks(0).await?;
    let answer = rmp_serde::to_vec_named(&settled).map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(answer.into_response())
}

async fn tell_tracks(lacking_ms: u32) -> Outcome<Settled> {
    let mut settled = Settled { done: 0, failed: 0 };
    loop {
        let some = routes::settle_due(lacking_ms)?;
        settled.done += some.told;
        settled.failed += some.unreadable;
        if !some.more {
            return Ok(settled);
        }
        // Others get a turn.
        monotonic_clock::wait_for(0).await;
    }
}

/// Fires every domain's timers, and has each remove what was kept long enough. One that fails does not keep the others from
/// it. The answer counts the rows that were removed, by kind.
pub async fn tick() -> Outcome<Response> {
    let mut removed = BTreeMap::new();
    // First, for nothing else is late by a second.
    let told_tracks = tell_tracks(LACKING_MS).await.and_then(|settled| match settled.failed {
        0 => Ok(()),
        failed => Err(Problem::new("internal", format!("{failed} tracks cannot be read"))),
    });
    let rides = fire_rides(&mut removed).await;
    let payments = invoices::pump().await.map(drop).map_err(Problem::from);
    let paid = shop::settle_unpaid().await;
    let orders = marketplace::release_expired().await.map(drop).map_err(Problem::from);
    let tracks = purge_tracks(&mut removed).await;
    let people = accounts::purge().await.map_err(Problem::from).map(|purged| {
        purged.into_iter().for_each(|purged| count(&mut removed, &purged.what, purged.rows));
    });
    let told = inbox::purge().await.map_err(Problem::from).map(|rows| {
        count(&mut removed, "notifications", rows);
    });
    let erased = erasures::follow(&mut removed).await;
    told_tracks.and(rides).and(payments).and(paid).and(orders).and(tracks)?;
    people.and(told).and(erased)?;
    let answer = rmp_serde::to_vec_named(&removed).map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(answer.into_response())
}

fn count(removed: &mut BTreeMap<String, u64>, what: &str, rows: u64) {
    if rows > 0 {
        *removed.entry(format!("purged_{what}")).or_default() += rows;
    }
}

async fn fire_rides(removed: &mut BTreeMap<String, u64>) -> Outcome<()> {
    let report = rides::tick(days(DETAILS_VARIABLE).await?)?;
    report.purged.into_iter().for_each(|purged| count(removed, &purged.what, purged.rows));
    Ok(())
}

/// A variable that is a number of days.
async fn days(variable: &str) -> Outcome<u32> {
    let days = spin_sdk::variables::get(variable).await.unwrap_or_default();
    days.parse()
        .map_err(|_| Problem::new("internal", format!("variable '{variable}' is not a number of days")))
}

/// Erases tracks that are older than the policy says.
async fn purge_tracks(removed: &mut BTreeMap<String, u64>) -> Outcome<()> {
    let mut outcome = Ok(());
    for ride in routes::expired(days(RETENTION_VARIABLE).await?)? {
        // One that cannot be erased does not keep the others.
        match marks::erase_all(&ride).await {
            Ok(()) => count(removed, "tracks", 1),
            Err(problem) => {
                eprintln!("the track of ride {ride} is not erased yet: {}", problem.detail);
                outcome = Err(problem);
            }
        }
    }
    outcome
}
