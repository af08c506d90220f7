//! Gathering figures from events, and telling them.

use petwalker_store::{OffsetError, Sql, SqlError, consume_events, get_offset};

use crate::domain::{Happening, Span, SpanError, by_day};
use crate::sql::{self, Day};

#[cfg(test)]
mod tests;

/// The name under which offsets are kept.
pub const CONSUMER: &str = "insights";

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The days are no span.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// The role may not do this.
    #[error("your role may not do this")]
    Forbidden,
    /// An event is missing.
    #[error(transparent)]
    Offset(OffsetError),
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl From<OffsetError> for Refusal {
    fn from(error: OffsetError) -> Self {
        match error {
            OffsetError::Sql(error) => Self::Sql(error),
            gap @ OffsetError::Gap { .. } => Self::Offset(gap),
        }
    }
}

/// How far a stream was consumed.
///
/// # Errors
/// When the database fails.
pub fn offset(sql: &impl Sql, stream: &str) -> Result<u64, Refusal> {
    Ok(get_offset(sql, CONSUMER, stream)?)
}

/// Consumes a run of a region's events, first to last: adds what they mean to its days.
///
/// # Errors
/// When an event is missing before them, or the database fails.
pub fn consume(
    sql: &impl Sql,
    stream: &str,
    run: (u64, u64),
    region: &str,
    happenings: &[Happening],
) -> Result<(), Refusal> {
    consume_events(sql, CONSUMER, stream, run, |sql| {
        for (date, tally) in by_day(happenings) {
            sql::add(sql, region, &date, &tally)?;
        }
        Ok(())
    })
}

/// The days of a span, of one region or of all; for operators.
///
/// # Errors
/// When the caller is none, or the days are no span.
pub fn days(
    sql: &impl Sql,
    is_operator: bool,
    since: &str,
    until: &str,
    region: Option<&str>,
) -> Result<Vec<Day>, Refusal> {
    if !is_operator {
        return Err(Refusal::Forbidden);
    }
    Ok(sql::days(sql, Span::new(since, until)?, region)?)
}
