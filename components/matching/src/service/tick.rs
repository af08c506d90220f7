//! Firing the timers that are due.

use petwalker_kernel::{Millis, Moment, UtcMillis};
use petwalker_store::{Region, Sql, transaction};

use super::Refusal;
use super::purge::{Rows, purge};
use super::request::{Log, next_wave};
use crate::domain::State;
use crate::sql::rides;

/// Rides handled by one tick.
const BATCH_MAX: u32 = 100;

/// What a tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Waves made.
    pub waves: u32,
    /// Rides given up.
    pub expired: u32,
    /// When the next timer is due.
    pub next_due: Option<UtcMillis>,
    /// Rows that were removed because their time was over.
    pub purged: Rows,
}

/// Makes the waves that are due and gives up the rides that nobody took, a transaction each; then removes what was kept
/// long enough, details of rides `details_kept_for` after their end.
///
/// # Errors
/// When the database fails.
pub fn tick(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    details_kept_for: Millis,
) -> Result<TickReport, Refusal> {
    let mut report = TickReport::default();
    for id in rides::due(sql, moment.now, BATCH_MAX)? {
        let fired = transaction(sql, |sql| {
            // Read again: a command may have come in between.
            let Some((ride, Some(details))) = rides::find_detailed(sql, id)? else {
                return Ok::<_, Refusal>(None);
            };
            if ride.due_at().is_none_or(|due| due > moment.now) {
                return Ok(None);
            }
            let region = Region::read(sql)?;
            let log = Log { region: &region, command: None };
            next_wave(sql, log, moment, ride, details.pickup, false).map(Some)
        })?;
        match fired.map(|ride| ride.state) {
            Some(State::Expired { .. }) => report.expired += 1,
            Some(_) => report.waves += 1,
            None => {}
        }
    }
    report.next_due = rides::next_due(sql)?;
    report.purged = purge(sql, moment, details_kept_for)?;
    Ok(report)
}
