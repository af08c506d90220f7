//! What the region's owner did, taken over here: this edge is ready to go on where that one stops.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use petwalker_journal::{Batch, Envelope};
use serde::{Deserialize, Serialize};

use super::bindings::petwalker::identity::accounts::{self, RefusalCode};
use super::bindings::petwalker::matching::rides;
use super::bindings::petwalker::pricing::quotes;
use super::bindings::petwalker::tracking::routes;
use super::internal;
use super::ops::Outcome;
use super::problem::Problem;

#[derive(Serialize)]
struct Reached {
    /// The last event there is here.
    reached: u64,
}

/// Whose domain an event is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Domain {
    Matching,
    Pricing,
    Tracking,
}

impl Domain {
    /// Events of types that nobody here knows are kept by matching, which makes no rows of them.
    fn of(event_type: &str) -> Self {
        match event_type.split('.').next() {
            Some("quote") => Self::Pricing,
            Some("track") => Self::Tracking,
            _ => Self::Matching,
        }
    }
}

/// An event, and the key of whom it is about.
struct Sealed {
    domain: Domain,
    bytes: Vec<u8>,
    seal_key: Option<Vec<u8>>,
}

/// Whose key opens an event. What is not sealed names nobody here.
#[derive(Deserialize)]
struct Owner {
    tutor_id: Option<String>,
    account_id: Option<String>,
    order: Option<Order>,
}

#[derive(Deserialize)]
struct Order {
    tutor_id: String,
}

/// Takes over a batch of records in order: the events of one domain that follow each other in one transaction. What was
/// taken over before is passed over. `unknown_erased`: people who are not known here are as if erased, rather than not here yet.
pub async fn take_over(unknown_erased: bool, headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    internal::only_the_node(headers).await?;
    let malformed = |e: &dyn std::fmt::Display| Problem::new("malformed", e.to_string());
    let batch: Batch = rmp_serde::from_slice(body).map_err(|e| malformed(&e))?;
    let mut keys = BTreeMap::new();
    let mut reached = 0;
    let mut run: Vec<Sealed> = Vec::new();
    for record in batch.records {
        let envelope = Envelope::decode(&record).map_err(|e| malformed(&e))?;
        let seal_key = key_of(&envelope, unknown_erased, &mut keys)?;
        let next = Sealed { domain: Domain::of(&envelope.event_type), bytes: record.into_vec(), seal_key };
        if run.last().is_some_and(|last| last.domain != next.domain) {
            reached = hand_over(std::mem::take(&mut run))?;
        }
        run.push(next);
    }
    // An empty batch asks where this edge stands.
    if !run.is_empty() || reached == 0 {
        reached = hand_over(run)?;
    }
    let answer =
        rmp_serde::to_vec_named(&Reached { reached }).map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(answer.into_response())
}

/// The key of whom a sealed event is about; none where it was erased.
fn key_of(
    envelope: &Envelope,
    unknown_erased: bool,
    known: &mut BTreeMap<String, Option<Vec<u8>>>,
) -> Outcome<Option<Vec<u8>>> {
    let sealed = ["ride.requested", "ride.pin-renewed", "quote.promised", "track.kept"];
    if !sealed.contains(&envelope.event_type.as_str()) {
        return Ok(None);
    }
    let owner: Owner = envelope.facts().map_err(|e| Problem::new("malformed", e.to_string()))?;
    let Some(account) = owner.order.map(|order| order.tutor_id).or(owner.tutor_id).or(owner.account_id)
    else {
        return Ok(None);
    };
    if let Some(key) = known.get(&account) {
        return Ok(key.clone());
    }
    let key = match accounts::seal_key(&account) {
        Err(refusal) if unknown_erased && refusal.code == RefusalCode::NotFound => None,
        found => found?,
    };
    known.insert(account, key.clone());
    Ok(key)
}

/// Hands events of one domain to it; the last event there is then.
fn hand_over(events: Vec<Sealed>) -> Outcome<u64> {
    match events.first().map_or(Domain::Matching, |first| first.domain) {
        Domain::Matching => {
            let event = |e: Sealed| rides::ReplicaEvent { bytes: e.bytes, seal_key: e.seal_key };
            Ok(rides::take_over(&events.into_iter().map(event).collect::<Vec<_>>())?)
        }
        Domain::Pricing => {
            let event = |e: Sealed| quotes::ReplicaEvent { bytes: e.bytes, seal_key: e.seal_key };
            Ok(quotes::take_over(&events.into_iter().map(event).collect::<Vec<_>>())?)
        }
        Domain::Tracking => {
            let event = |e: Sealed| routes::ReplicaEvent { bytes: e.bytes, seal_key: e.seal_key };
            Ok(routes::take_over(&events.into_iter().map(event).collect::<Vec<_>>())?)
        }
    }
}
