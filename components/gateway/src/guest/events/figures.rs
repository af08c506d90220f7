//! The events that figures are gathered from.

use petwalker_journal::Envelope;
use serde::Deserialize;

use super::unseen;
use crate::guest::api::Instant;
use crate::guest::bindings::petwalker::insights::figures::{self, Happening};
use crate::guest::ops::Outcome;
use crate::guest::problem::Problem;

/// What is counted of an event, as far as it says; other fields are passed over.
#[derive(Deserialize)]
struct Facts {
    #[serde(default)]
    offers: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    elapsed_ms: u64,
    walked: Option<Walked>,
}

#[derive(Deserialize)]
struct Walked {
    distance_m: u32,
}

/// Adds to the region's days; the last event whose effect is stored then.
pub async fn consume(region: &str, stream: &str, events: &[Envelope]) -> Outcome<u64> {
    let reached = figures::offset(stream.to_owned()).await?;
    let Some((run, of_rides)) = unseen(stream, events, reached) else { return Ok(reached) };
    let last = run.last;
    let happenings = of_rides.into_iter().map(happening).collect::<Outcome<_>>()?;
    figures::consume(run, region.to_owned(), happenings).await?;
    Ok(last)
}

fn happening(event: &Envelope) -> Outcome<Happening> {
    let facts: Facts = event.facts().map_err(|e| Problem::new("malformed", e.to_string()))?;
    Ok(Happening {
        event_type: event.event_type.clone(),
        at: Instant { epoch_ms: event.at_ms },
        offers: u32::try_from(facts.offers.len()).unwrap_or(u32::MAX),
        walked_ms: facts.elapsed_ms,
        walked_m: facts.walked.map_or(0, |walked| walked.distance_m),
    })
}
