//! Taking over the events of the region's owner, so that this edge can go on where that one stopped.

use petwalker_journal::{CommandMark, Envelope};
use petwalker_kernel::{AccountId, RideId};
use petwalker_seal::SealKey;
use petwalker_store::{OwnersEvent, Sql, SqlError, remember};

use super::{Caller, Refusal, project, read};
use crate::domain::{Ride, RideEvent, Role, UnknownEvent};
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
        Err(UnknownEvent::Type(_)) => return Ok(()),
        Err(UnknownEvent::Facts(e)) => return Err(SqlError::Stored(e.to_string()).into()),
    };
    let id: RideId = envelope.stream_id.parse().map_err(|_| SqlError::Stored("a ride's id".to_owned()))?;
    if let (RideEvent::Requested { sealed: Some(sealed), .. }, Some(key)) = (&event, key) {
        rides::insert_details(sql, id, &Details::open(key, sealed, id)?)?;
    }
    if let (RideEvent::PinRenewed { sealed: Some(sealed), .. }, Some(key)) = (&event, key) {
        rides::set_pin(sql, id, &rides::open_pin(key, sealed, id)?)?;
    }
    project(sql, rides::find(sql, id)?, &event)?;
    match &envelope.command {
        Some(mark) => note_command(sql, mark, id, &event, envelope.at_ms),
        None => Ok(()),
    }
}

/// Notes what the command came to, as the owner answered it.
fn note_command(
    sql: &impl Sql,
    mark: &CommandMark,
    id: RideId,
    event: &RideEvent,
    at_ms: i64,
) -> Result<(), Refusal> {
    let (ride, details) = rides::find_detailed(sql, id)?.ok_or(Refusal::NotFound)?;
    let account = mark.actor.parse().map_err(|_| SqlError::Stored("an account's id".to_owned()))?;
    let caller = Caller { account, role: role_of(account, &ride, event) };
    Ok(remember(sql, mark, &read::view(caller, ride, details), at_ms)?)
}

/// As what somebody commanded: a ride has one tutor, walkers do what walkers do, and who else acts on it is an operator.
fn role_of(account: AccountId, ride: &Ride, event: &RideEvent) -> Role {
    if ride.order.tutor_id == account {
        return Role::Tutor;
    }
    match event {
        RideEvent::Cancelled { by, .. } | RideEvent::PinRenewed { by, .. } => *by,
        RideEvent::Interrupted(settled) if settled.walker_id != Some(account) => Role::Operator,
        _ => Role::Walker,
    }
}
