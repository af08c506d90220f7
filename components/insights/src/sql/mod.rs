//! `insight_days`.

use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{Span, Tally};

/// A region's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The region.
    pub region: String,
    /// The day in UTC.
    pub date: String,
    /// What it came to.
    pub tally: Tally,
}

fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Adds to a day.
///
/// # Errors
/// When the database fails.
pub fn add(sql: &impl Sql, region: &str, date: &str, tally: &Tally) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO insight_days (region, date, requested, offers, accepted, completed, interrupted, cancelled, \
         expired, no_shows, walked_ms, walked_m) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (region, date) DO UPDATE SET requested = requested + excluded.requested, \
         offers = offers + excluded.offers, accepted = accepted + excluded.accepted, \
         completed = completed + excluded.completed, interrupted = interrupted + excluded.interrupted, \
         cancelled = cancelled + excluded.cancelled, expired = expired + excluded.expired, \
         no_shows = no_shows + excluded.no_shows, walked_ms = walked_ms + excluded.walked_ms, \
         walked_m = walked_m + excluded.walked_m",
        &[
            region.into(),
            date.into(),
            tally.requested.into(),
            tally.offers.into(),
            tally.accepted.into(),
            tally.completed.into(),
            tally.interrupted.into(),
            tally.cancelled.into(),
            tally.expired.into(),
            tally.no_shows.into(),
            integer(tally.walked_ms),
            integer(tally.walked_m),
        ],
    )?;
    Ok(())
}

/// The days of a span, of one region or of all.
///
/// # Errors
/// When the database fails.
pub fn days(sql: &impl Sql, span: Span, region: Option<&str>) -> Result<Vec<Day>, SqlError> {
    let rows = sql.query(
        "SELECT region, date, requested, offers, accepted, completed, interrupted, cancelled, expired, no_shows, \
         walked_ms, walked_m FROM insight_days WHERE date BETWEEN ?1 AND ?2 AND (?3 IS NULL OR region = ?3) \
         ORDER BY date, region",
        &[
            Value::display(&span.since),
            Value::display(&span.until),
            region.map_or(Value::Null, Value::from),
        ],
    )?;
    rows.iter().map(day).collect()
}

fn day(row: &Row) -> Result<Day, SqlError> {
    Ok(Day {
        region: row.text(0)?.to_owned(),
        date: row.text(1)?.to_owned(),
        tally: Tally {
            requested: row.uint(2)?,
            offers: row.uint(3)?,
            accepted: row.uint(4)?,
            completed: row.uint(5)?,
            interrupted: row.uint(6)?,
            cancelled: row.uint(7)?,
            expired: row.uint(8)?,
            no_shows: row.uint(9)?,
            walked_ms: row.uint(10)?,
            walked_m: row.uint(11)?,
        },
    })
}
