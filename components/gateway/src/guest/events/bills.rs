//! Billing's events: those that cost somebody something.

use petwalker_journal::Envelope;
use serde::Deserialize;

use crate::guest::api::Money;
use crate::guest::bindings::petwalker::billing::invoices::{self, Bill, EventRun, InvoiceLine};
use crate::guest::bindings::petwalker::pricing::quotes::{self, CouponNote, RefusalCode, RideOutcome};
use crate::guest::ops::Outcome;
use crate::guest::problem::Problem;

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

/// Bills what is to be billed of the events; the last event whose effect is stored then.
pub async fn consume(stream: &str, events: &[Envelope]) -> Outcome<u64> {
    let mut reached = invoices::offset(stream.to_owned()).await?;
    note_coupons(events, reached).await?;
    // Events without a bill wait for the next one with, or for the end: one transaction for all of them.
    let mut waiting = None;
    for envelope in events.iter().filter(|envelope| envelope.seq > reached) {
        let first = waiting.take().map_or(envelope.seq, |(first, _)| first);
        match bill(envelope)? {
            Some(bill) => {
                let run = EventRun { stream: stream.to_owned(), first, last: envelope.seq };
                invoices::consume(run, Some(bill)).await?;
            }
            None => waiting = Some((first, envelope.seq)),
        }
    }
    if let Some((first, last)) = waiting {
        invoices::consume(EventRun { stream: stream.to_owned(), first, last }, None).await?;
    }
    if let Some(last) = events.last() {
        reached = reached.max(last.seq);
    }
    Ok(reached)
}

/// What a coupon must know of a booking.
#[derive(Deserialize)]
struct Requested {
    order: Order,
}

#[derive(Deserialize)]
struct Order {
    quote_id: String,
}

/// Notes which coupons were used, and which are given back since the ride cost nothing. Done before the offset moves on: what
/// comes again changes nothing.
async fn note_coupons(events: &[Envelope], reached: u64) -> Outcome<()> {
    let new = events.iter().filter(|envelope| envelope.seq > reached);
    let notes = new.map(coupon_note).filter_map(Result::transpose).collect::<Outcome<Vec<_>>>()?;
    if notes.is_empty() { Ok(()) } else { Ok(quotes::note_coupons(notes).await?) }
}

fn coupon_note(envelope: &Envelope) -> Outcome<Option<CouponNote>> {
    let malformed = |e: &dyn std::fmt::Display| Problem::new("malformed", e.to_string());
    let quote_id = match envelope.event_type.as_str() {
        "ride.requested" => {
            let requested: Requested = envelope.facts().map_err(|e| malformed(&e))?;
            Some(requested.order.quote_id)
        }
        "ride.expired" => None,
        "ride.cancelled" => {
            let facts: Facts = envelope.facts().map_err(|e| malformed(&e))?;
            if facts.fee.is_some_and(|fee| fee.minor > 0) {
                return Ok(None);
            }
            None
        }
        _ => return Ok(None),
    };
    Ok(Some(CouponNote { ride_id: envelope.stream_id.clone(), quote_id }))
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
        // It is not known after a restoration, or was removed: nothing says what to bill.
        Err(refusal) if refusal.code == RefusalCode::NotFound => {
            eprintln!("ride {} is not billed: its quote is not known", envelope.stream_id);
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
