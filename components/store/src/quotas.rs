//! What one account may do on one day: a counter a kind, beside what it counts and in the same transaction.

use petwalker_kernel::UtcMillis;

use crate::{CommandError, Sql, SqlError};

/// Commands of one account on one day.
pub const COMMANDS_A_DAY_MAX: u32 = 5_000;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Counts one more of `what` for an account, inside the caller's transaction, which is to be rolled back where this fails: then
/// it is not counted. Days are of UTC.
///
/// # Errors
/// When the account has done it `most` times today, or the database fails.
pub fn count_daily(
    sql: &impl Sql,
    account: &str,
    what: &'static str,
    now: UtcMillis,
    most: u32,
) -> Result<(), CommandError> {
    let row = sql.first(
        "INSERT INTO daily_counts (account, what, day, count) VALUES (?1, ?2, ?3, 1) \
         ON CONFLICT (account, what) DO UPDATE SET \
         count = CASE WHEN day = excluded.day THEN count + 1 ELSE 1 END, day = excluded.day RETURNING count",
        &[account.into(), what.into(), now.get().div_euclid(DAY_MS).into()],
    )?;
    let row = row.ok_or_else(|| SqlError::Stored("a counter has no value".to_owned()))?;
    if row.int(0)? > i64::from(most) {
        return Err(CommandError::QuotaReached { what, most });
    }
    Ok(())
}

/// Removes the counts of days before yesterday (UTC), at most `limit`; how many. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn forget_daily_counts(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    let yesterday = now.get().div_euclid(DAY_MS).saturating_sub(1);
    if sql.first("SELECT 1 FROM daily_counts WHERE day < ?1 LIMIT 1", &[yesterday.into()])?.is_none() {
        return Ok(0);
    }
    sql.execute(
        "DELETE FROM daily_counts WHERE (account, what) IN \
         (SELECT account, what FROM daily_counts WHERE day < ?1 ORDER BY day LIMIT ?2)",
        &[yesterday.into(), limit.into()],
    )
}
