//! `attempts`.

use petwalker_kernel::{Millis, UtcMillis};
use petwalker_store::{Sql, SqlError, remove_due};

use crate::domain::{AttemptKey, Attempts};

/// Rows that are removed with each failure that is noted, so that what is forgotten does not stay.
const PURGED_AT_ONCE: i64 = 16;

/// The failures of a key; none where it has none, or another has its place.
///
/// # Errors
/// When the database fails.
pub fn attempts(sql: &impl Sql, key: &AttemptKey) -> Result<Option<Attempts>, SqlError> {
    let row = sql.first(
        "SELECT failures, last_at_ms, blocked_until_ms FROM attempts WHERE place = ?1 AND digest = ?2",
        &[i64::from(key.place).into(), key.digest.as_slice().into()],
    )?;
    row.map(|row| {
        Ok(Attempts {
            failures: row.uint(0)?,
            last_at: UtcMillis::new(row.int(1)?),
            blocked_until: UtcMillis::new(row.int(2)?),
        })
    })
    .transpose()
}

/// Notes the failures of a key, unless another key that must wait has its place, and removes some that are forgotten.
///
/// # Errors
/// When the database fails.
pub fn put_attempts(
    sql: &impl Sql,
    key: &AttemptKey,
    attempts: &Attempts,
    forgotten_after: Millis,
) -> Result<(), SqlError> {
    sql.execute(
        "DELETE FROM attempts WHERE place IN \
         (SELECT place FROM attempts WHERE last_at_ms < ?1 ORDER BY last_at_ms LIMIT ?2)",
        &[attempts.last_at.plus(Millis::new(-forgotten_after.get())).into(), PURGED_AT_ONCE.into()],
    )?;
    sql.execute(
        "INSERT INTO attempts (place, digest, failures, last_at_ms, blocked_until_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (place) DO UPDATE SET digest = excluded.digest, failures = excluded.failures, \
         last_at_ms = excluded.last_at_ms, blocked_until_ms = excluded.blocked_until_ms \
         WHERE attempts.digest = excluded.digest OR attempts.blocked_until_ms <= excluded.last_at_ms",
        &[
            i64::from(key.place).into(),
            key.digest.as_slice().into(),
            i64::from(attempts.failures).into(),
            attempts.last_at.into(),
            attempts.blocked_until.into(),
        ],
    )?;
    Ok(())
}

/// Forgets the failures of a key.
///
/// # Errors
/// When the database fails.
pub fn clear_attempts(sql: &impl Sql, key: &AttemptKey) -> Result<(), SqlError> {
    sql.execute(
        "DELETE FROM attempts WHERE place = ?1 AND digest = ?2",
        &[i64::from(key.place).into(), key.digest.as_slice().into()],
    )?;
    Ok(())
}

/// Removes failures that are forgotten, the oldest first, at most `limit`; how many. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn purge_attempts(sql: &impl Sql, before: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    remove_due(
        sql,
        "SELECT 1 FROM attempts WHERE last_at_ms < ?1 LIMIT 1",
        "DELETE FROM attempts WHERE place IN \
         (SELECT place FROM attempts WHERE last_at_ms < ?1 ORDER BY last_at_ms LIMIT ?2)",
        before,
        limit,
    )
}
