//! What the node itself asks: events to consume, and timers.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use petwalker_journal::{Batch, Envelope};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::api::Money;
use super::bindings::petwalker::billing::invoices::{self, Bill, EventRun, InvoiceLine};
use super::bindings::petwalker::marketplace::shop;
use super::bindings::petwalker::matching::rides;
use super::bindings::petwalker::pricing::quotes::{self, RideOutcome};
use super::bindings::petwalker::tracking::routes;
use super::ops::{Outcome, marks};
use super::problem::Problem;

/// The header by which the node is known, and the variable that holds its value.
const HEADER: &str = "edge-internal";
const VARIABLE: &str = "internal_secret";

/// Days after which the points of a walk are erased.
const RETENTION_VARIABLE: &str = "track_retention_days";

#[derive(Serialize)]
struct Reached {
    /// How far the consumers are.
    reached: u64,
    /// What the events changed: those who watch it are told.
    changed: Vec<String>,
}

/// What an invoice must know of an event; other fields are passed over.
#[derive(Deserialize)]
struct Facts {
    quote_id: String,
    tutor_id: String,
    walker_id: Option<String>,
    #[serde(default)]
    elapsed_ms: u64,
    fee: Option<Money>,
}

/// That the node itself is asking. To everybody else the path does not exist.
pub(super) async fn only_the_node(headers: &HeaderMap) -> Outcome<()> {
    let secret = spin_sdk::variables::get(VARIABLE).await.unwrap_or_default();
    let given = headers.get(HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let known: bool = given.ct_eq(secret.as_bytes()).into();
    if known && !secret.is_empty() {
        Ok(())
    } else {
        Err(Problem::new("not-found", "nothing answers at this path"))
    }
}

/// Consumes a batch of records; how far the consumers are. An empty batch only asks.
pub async fn consume(headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    only_the_node(headers).await?;
    let batch: Batch = rmp_serde::from_slice(body).map_err(|e| Problem::new("malformed", e.to_string()))?;
    let stream = format!("region/{}", rides::region()?);
    let mut reached = invoices::offset(stream.clone()).await?;
    // Events without a bill wait for the next one with, or for the end: one transaction for all of them.
    let mut waiting = None;
    let mut changed = Vec::new();
    for record in &batch.records {
        let envelope = Envelope::decode(record).map_err(|e| Problem::new("malformed", e.to_string()))?;
        if envelope.seq <= reached {
            continue;
        }
        // What happens on a track was told with the point that it happened at.
        if !envelope.event_type.starts_with("track.") {
            changed.push(envelope.stream_id.clone());
        }
        let first = waiting.take().map_or(envelope.seq, |(first, _)| first);
        match bill(&envelope)? {
            Some(bill) => {
                let run = EventRun { stream: stream.clone(), first, last: envelope.seq };
                invoices::consume(run, Some(bill)).await?;
                reached = envelope.seq;
            }
            None => waiting = Some((first, envelope.seq)),
        }
    }
    if let Some((first, last)) = waiting {
        invoices::consume(EventRun { stream, first, last }, None).await?;
        reached = last;
    }
    let answer = rmp_serde::to_vec_named(&Reached { reached, changed })
        .map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(answer.into_response())
}

/// The bill of an event that costs somebody something.
fn bill(envelope: &Envelope) -> Outcome<Option<Bill>> {
    let facts = || envelope.facts::<Facts>().map_err(|e| Problem::new("malformed", e.to_string()));
    let (facts, outcome) = match envelope.event_type.as_str() {
        "ride.completed" => {
            let facts = facts()?;
            let outcome = RideOutcome::Completed(facts.elapsed_ms);
            (facts, outcome)
        }
        "ride.interrupted" => {
            let facts = facts()?;
            let outcome = RideOutcome::Interrupted(facts.elapsed_ms);
            (facts, outcome)
        }
        "ride.cancelled" | "ride.no-show" => {
            let mut facts = facts()?;
            let Some(fee) = facts.fee.take().filter(|fee| fee.minor > 0) else { return Ok(None) };
            (facts, RideOutcome::CalledOff(fee))
        }
        _ => return Ok(None),
    };
    let settlement = quotes::settle(&facts.quote_id, &outcome)?;
    let line = |line: quotes::PriceLine| InvoiceLine {
        kind: serde_json::to_value(line.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned))
            .unwrap_or_default(),
        label: line.label,
        amount: line.amount,
    };
    Ok(Some(Bill {
        ride_id: envelope.stream_id.clone(),
        tutor_id: facts.tutor_id,
        walker_id: facts.walker_id,
        lines: settlement.lines.into_iter().map(line).collect(),
        total: settlement.total,
        platform_fee_bp: settlement.platform_fee_bp,
    }))
}

/// Fires every domain's timers. One that fails does not keep the others from firing.
pub async fn tick(headers: &HeaderMap) -> Outcome<Response> {
    only_the_node(headers).await?;
    let rides = rides::tick().map(drop).map_err(Problem::from);
    let payments = invoices::pump().await.map(drop).map_err(Problem::from);
    let orders = shop::release_expired().await.map(drop).map_err(Problem::from);
    let tracks = purge_tracks().await;
    rides.and(payments).and(orders).and(tracks)?;
    Ok(http::StatusCode::NO_CONTENT.into_response())
}

/// Erases tracks that are older than the policy says.
async fn purge_tracks() -> Outcome<()> {
    let days = spin_sdk::variables::get(RETENTION_VARIABLE).await.unwrap_or_default();
    let days = days.parse().map_err(|_| {
        Problem::new("internal", format!("variable '{RETENTION_VARIABLE}' is not a number of days"))
    })?;
    for ride in routes::expired(days)? {
        marks::erase_all(&ride).await?;
    }
    Ok(())
}
