//! From events to rows.

use petwalker_store::{Sql, SqlError, read_after};

use super::Refusal;
use super::purge::Purged;
use crate::domain::{Ride, RideEvent, UnknownEvent};
use crate::sql::{offers, rides};

/// Applies an event to the rows of its ride; the ride after it. The one way in which the projections change.
///
/// # Errors
/// When the event cannot follow, or the database fails.
pub fn project(sql: &impl Sql, before: Option<Ride>, event: &RideEvent) -> Result<Ride, Refusal> {
    let ride = match (before, event) {
        (None, RideEvent::Requested { order, dispatch_at, .. }) => {
            Ride::requested(order.clone(), *dispatch_at)
        }
        (Some(ride), event) => ride.apply(event)?,
        (None, _) => return Err(Refusal::NotFound),
    };
    let id = ride.order.id;
    match event {
        RideEvent::Offered { until, offers: made, .. } => {
            offers::close_open(sql, id, "expired")?;
            offers::insert(sql, id, made, *until)?;
        }
        RideEvent::OfferDeclined { walker_id, .. } => offers::close_one(sql, id, *walker_id, "declined")?,
        RideEvent::Accepted(by) => {
            offers::close_one(sql, id, by.walker_id, "accepted")?;
            offers::close_open(sql, id, "withdrawn")?;
            rides::forget_pin_failures(sql, id)?;
        }
        RideEvent::WalkerWithdrew { .. } => rides::forget_pin_failures(sql, id)?,
        RideEvent::Expired { .. } => offers::close_open(sql, id, "expired")?,
        RideEvent::Cancelled { .. } => offers::close_open(sql, id, "withdrawn")?,
        _ => {}
    }
    rides::save(sql, &ride)?;
    Ok(ride)
}

/// Drops the projections and makes them again from the log, inside the caller's transaction; how many events it took.
///
/// # Errors
/// When the log is damaged or the database fails.
pub fn replay(sql: &impl Sql) -> Result<u64, Refusal> {
    sql.execute("DELETE FROM offers", &[])?;
    sql.execute("DELETE FROM rides", &[])?;
    // What was removed is removed again, event by event.
    sql.execute("DELETE FROM purges", &[])?;
    let mut seq = 0;
    loop {
        let batch = read_after(sql, seq, 256)?;
        if batch.is_empty() {
            return Ok(seq);
        }
        for (envelope, _) in batch {
            seq = envelope.seq;
            let event = match RideEvent::read(&envelope) {
                Ok(event) => event,
                Err(UnknownEvent::Type(_)) => {
                    Purged::apply_event(sql, &envelope)?;
                    continue;
                }
                Err(UnknownEvent::Facts(e)) => return Err(SqlError::Stored(e.to_string()).into()),
            };
            let id = envelope.stream_id.parse().map_err(|_| SqlError::Stored("a ride's id".to_owned()))?;
            project(sql, rides::find(sql, id)?, &event)?;
        }
    }
}
