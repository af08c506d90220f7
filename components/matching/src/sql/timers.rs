//! Which rides have a timer that is due, and which are passed over because theirs failed.

use petwalker_kernel::{Millis, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

/// How long a ride is passed over after its timer failed for the first time. It doubles with each failure.
const SET_ASIDE_FIRST: Millis = Millis::from_mins(1);
/// The longest that it is passed over.
const SET_ASIDE_MAX: Millis = Millis::from_mins(60);

/// Rides with a timer that is due, longest overdue first, but for those that are set aside. Ids are given as they stand: one
/// that cannot be read must not hide the others.
///
/// # Errors
/// When the database fails.
pub fn due(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<Vec<String>, SqlError> {
    let rows = sql.query(
        "SELECT id FROM rides WHERE due_at_ms <= ?1 AND NOT EXISTS \
         (SELECT 1 FROM timers_set_aside s WHERE s.ride_id = rides.id AND s.until_ms > ?1) \
         ORDER BY due_at_ms LIMIT ?2",
        &[now.into(), limit.into()],
    )?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// When the next timer is due, but for those that are set aside.
///
/// # Errors
/// When the database fails.
pub fn next_due(sql: &impl Sql, now: UtcMillis) -> Result<Option<UtcMillis>, SqlError> {
    let row = sql.first(
        "SELECT due_at_ms FROM rides WHERE due_at_ms IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM timers_set_aside s WHERE s.ride_id = rides.id AND s.until_ms > ?1) \
         ORDER BY due_at_ms LIMIT 1",
        &[now.into()],
    )?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(UtcMillis::new))
}

/// Passes a ride over, whose timer failed, for a minute, and twice as long each time up to an hour; until when.
///
/// # Errors
/// When the database fails.
pub fn set_aside(sql: &impl Sql, ride: &str, now: UtcMillis) -> Result<UtcMillis, SqlError> {
    let known = sql.first("SELECT failures FROM timers_set_aside WHERE ride_id = ?1", &[ride.into()])?;
    let failures: u32 = known.map_or(Ok(0), |row| row.uint(0))?;
    let doubled = SET_ASIDE_FIRST.get().saturating_mul(1_i64 << failures.min(20));
    let until = now.plus(Millis::new(doubled.min(SET_ASIDE_MAX.get())));
    sql.execute(
        "INSERT OR REPLACE INTO timers_set_aside (ride_id, failures, until_ms) VALUES (?1, ?2, ?3)",
        &[ride.into(), failures.saturating_add(1).into(), until.into()],
    )?;
    Ok(until)
}

/// Forgets that the timer of a ride failed, inside the caller's transaction.
///
/// # Errors
/// When the database fails.
pub fn take_back(sql: &impl Sql, ride: &str) -> Result<(), SqlError> {
    let known = sql.first("SELECT 1 FROM timers_set_aside WHERE ride_id = ?1", &[ride.into()])?;
    if known.is_some() {
        sql.execute("DELETE FROM timers_set_aside WHERE ride_id = ?1", &[Value::from(ride)])?;
    }
    Ok(())
}
