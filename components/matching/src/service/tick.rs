//! Firing the timers that are due.

use petwalker_kernel::{Millis, Moment, RideId, UtcMillis};
use petwalker_store::{Region, Sql, SqlError, transaction};

use super::Refusal;
use super::presence::present_since;
use super::purge::{Rows, purge};
use super::request::{Log, next_wave};
use crate::domain::State;
use crate::sql::{presence, rides, timers};

/// Rides handled by one tick.
const BATCH_MAX: u32 = 100;
/// Presences removed by one tick.
const PURGED_MAX: u32 = 500;

/// What a tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Waves made.
    pub waves: u32,
    /// Rides given up.
    pub expired: u32,
    /// Rides whose timer failed: the ride, until when it is passed over, and why.
    pub set_aside: Vec<(String, UtcMillis, Refusal)>,
    /// When the next timer is due.
    pub next_due: Option<UtcMillis>,
    /// Rows that were removed because their time was over.
    pub purged: Rows,
}

/// Makes the waves that are due and gives up the rides that nobody took, a transaction each; then removes presences that
/// have ended and what was kept long enough, details of rides `details_kept_for` after their end. A ride whose timer fails is
/// passed over for a while and does not stop the others.
///
/// # Errors
/// When the database fails.
pub fn tick(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    details_kept_for: Millis,
) -> Result<TickReport, Refusal> {
    let mut report = TickReport::default();
    for id in timers::due(sql, moment.now, BATCH_MAX)? {
        match fire(sql, moment, &id) {
            Ok(Some(State::Expired { .. })) => report.expired += 1,
            Ok(Some(_)) => report.waves += 1,
            Ok(None) => {}
            Err(refusal) => {
                // Where not even this can be written it is not the row's fault.
                let until = transaction(sql, |sql| timers::set_aside(sql, &id, moment.now))
                    .map_err(|_: SqlError| refusal.clone())?;
                report.set_aside.push((id, until, refusal));
            }
        }
    }
    presence::purge(sql, present_since(moment.now), PURGED_MAX)?;
    report.next_due = timers::next_due(sql, moment.now)?;
    report.purged = purge(sql, moment, details_kept_for)?;
    Ok(report)
}

/// Fires the timer of one ride; the state after it, none where it is not due any more.
fn fire(sql: &impl Sql, moment: &mut Moment<'_>, id: &str) -> Result<Option<State>, Refusal> {
    let ride_id: RideId = id.parse().map_err(|_| SqlError::Stored(format!("'{id}' is no ride's id")))?;
    transaction(sql, |sql| {
        // Read again: a command may have come in between.
        let Some((ride, details)) = rides::find_detailed(sql, ride_id)? else { return Ok(None) };
        if ride.due_at().is_none_or(|due| due > moment.now) {
            return Ok(None);
        }
        let region = Region::read(sql)?;
        let log = Log { region: &region, command: None };
        let ride = match details {
            Some(details) => next_wave(sql, log, moment, ride, details.pickup, false)?,
            // Its details were erased: nobody can be sent there.
            None => {
                let event = ride.give_up(moment.now)?;
                log.record(sql, moment, Some(ride), &event)?
            }
        };
        timers::take_back(sql, id)?;
        Ok(Some(ride.state))
    })
}
