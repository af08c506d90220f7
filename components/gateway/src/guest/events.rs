//! What the node itself asks, or a relay beside another runtime: events to consume, and timers.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use petwalker_journal::{Batch, Envelope};
use serde::{Deserialize, Serialize};

use super::api::Money;
use super::bindings::petwalker::billing::invoices::{self, Bill, EventRun, InvoiceLine};
use super::bindings::petwalker::marketplace::shop;
use super::bindings::petwalker::matching::rides;
use super::bindings::petwalker::pricing::quotes::{self, RefusalCode, RideOutcome};
use super::bindings::petwalker::tracking::routes;
use super::ops::{Outcome, marks};
use super::problem::Problem;

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

/// Consumes a batch of records; how far the consumers are. An empty batch only asks.
pub async fn consume(body: &Bytes) -> Outcome<Response> {
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
    let settlement = match quotes::settle(&facts.quote_id, &outcome) {
        // It was sealed for somebody who was erased, or is not known after a restoration: there is nobody to bill.
        Err(refusal) if refusal.code == RefusalCode::NotFound => {
            eprintln!("ride {} is not billed: its quote is gone with its tutor", envelope.stream_id);
            return Ok(None);
        }
        settled => settled?,
    };
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
pub async fn tick() -> Outcome<Response> {
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
