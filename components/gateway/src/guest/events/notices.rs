//! The events that somebody is told of.

use std::collections::BTreeMap;

use petwalker_journal::Envelope;
use serde::Deserialize;

use super::unseen;
use crate::guest::api::Instant;
use crate::guest::bindings::petwalker::identity::accounts::CallerRole;
use crate::guest::bindings::petwalker::matching::rides::{self, RideStatus};
use crate::guest::bindings::petwalker::notifications::inbox::{self, Happening};
use crate::guest::ops::Outcome;
use crate::guest::problem::Problem;

/// Whom an event is about, as far as it says; other fields are passed over.
#[derive(Deserialize)]
struct Facts {
    walker_id: Option<String>,
    by: Option<CallerRole>,
    #[serde(default)]
    offers: Vec<Offered>,
}

#[derive(Deserialize)]
struct Offered {
    walker_id: String,
}

/// Fills the inboxes; the last event whose effect is stored then.
pub async fn consume(stream: &str, events: &[Envelope]) -> Outcome<u64> {
    let reached = inbox::offset(stream.to_owned()).await?;
    let Some((run, of_rides)) = unseen(stream, events, reached) else { return Ok(reached) };
    let last = run.last;
    let parties = parties(&of_rides)?;
    let mut happenings = Vec::new();
    for event in of_rides {
        // A ride of which the region has no row any more concerns nobody.
        if let Some(status) = parties.get(&event.stream_id) {
            happenings.push(happening(event, status)?);
        }
    }
    inbox::consume(run, happenings).await?;
    Ok(last)
}

/// Who has part in the rides of these events.
fn parties(events: &[&Envelope]) -> Outcome<BTreeMap<String, RideStatus>> {
    let mut ids: Vec<String> = events.iter().map(|event| event.stream_id.clone()).collect();
    ids.sort();
    ids.dedup();
    let found = rides::statuses(&ids)?;
    Ok(ids.into_iter().zip(found).filter_map(|(id, status)| Some((id, status?))).collect())
}

fn happening(event: &Envelope, status: &RideStatus) -> Outcome<Happening> {
    let facts: Facts = event.facts().map_err(|e| Problem::new("malformed", e.to_string()))?;
    Ok(Happening {
        event_id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        ride_id: event.stream_id.clone(),
        tutor_id: status.tutor_id.clone(),
        walker_id: facts.walker_id.or_else(|| status.walker_id.clone()),
        by: facts.by,
        offered_to: facts.offers.into_iter().map(|offer| offer.walker_id).collect(),
        at: Instant { epoch_ms: event.at_ms },
    })
}
