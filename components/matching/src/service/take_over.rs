//! Taking over the events of the region's owner, so that this edge can go on where that one stopped.

use petwalker_journal::Envelope;
use petwalker_kernel::RideId;
use petwalker_seal::SealKey;
use petwalker_store::{OwnersEvent, Sql, SqlError, remember};

use super::forget::Erased;
use super::purge::Purged;
use super::{Refusal, project};
use crate::domain::{RideEvent, UnknownEvent};
use crate::sql::rides::{self, Details};

/// Takes over events and makes their rows, in one transaction; the sequence number of the last event there is then. Events
/// that are not of rides are kept in the log only.
///
/// # Errors
/// When an event was not written after the last one here, or the database fails.
pub fn take_over(sql: &impl Sql, events: Vec<OwnersEvent>) -> Result<u64, Refusal> {
    petwalker_store::take_over(sql, events, make_rows)
}

fn make_rows(sql: &impl Sql, envelope: &Envelope, key: Option<&SealKey>) -> Result<(), Refusal> {
    let event = match RideEvent::read(envelope) {
        Ok(event) => event,
        Err(UnknownEvent::Type(_)) => {
            Purged::apply_event(sql, envelope)?;
            return Erased::apply_event(sql, envelope);
        }
        Err(UnknownEvent::Facts(e)) => return Err(SqlError::Stored(e.to_string()).into()),
    };
    let id: RideId = envelope.stream_id.parse().map_err(|_| SqlError::Stored("a ride's id".to_owned()))?;
    if let (RideEvent::Requested { sealed: Some(sealed), .. }, Some(key)) = (&event, key) {
        rides::insert_details(sql, id, &Details::open(key, sealed, id)?)?;
    }
    if let (RideEvent::PinRenewed { sealed: Some(sealed), .. }, Some(key)) = (&event, key) {
        rides::set_pin(sql, id, &rides::open_pin(key, sealed, id)?)?;
    }
    let ride = project(sql, rides::find(sql, id)?, &event)?;
    match &envelope.command {
        // What an owner keeps of the outcome.
        Some(mark) => Ok(remember(sql, mark, &ride, envelope.at_ms)?),
        None => Ok(()),
    }
}
