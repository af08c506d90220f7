//! How far a consumer has read a stream, kept in the database that the consumer writes.

use crate::{Sql, SqlError, Value, transaction};

/// Why an offset did not advance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetError {
    /// An event is missing before this one.
    #[error("event {found} of {stream} came where {expected} was due")]
    Gap {
        /// The stream.
        stream: String,
        /// The event that was due.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// The last event of `stream` that `consumer` stored the effect of, 0 for none.
///
/// # Errors
/// When the database fails.
pub fn get(sql: &impl Sql, consumer: &str, stream: &str) -> Result<u64, SqlError> {
    let row = sql.first(
        "SELECT seq FROM consumer_offsets WHERE consumer = ?1 AND stream = ?2",
        &[consumer.into(), stream.into()],
    )?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// Consumes the events `first` to `last` of a stream: does `work` and moves the consumer's offset over them, in one transaction.
/// Where they were consumed before, nothing is done.
///
/// # Errors
/// The error of `work`, or when an event before them is missing, or the database fails.
pub fn consume<S: Sql, T: Default, E: From<OffsetError> + From<SqlError>>(
    sql: &S,
    consumer: &str,
    stream: &str,
    (first, last): (u64, u64),
    work: impl FnOnce(&S) -> Result<T, E>,
) -> Result<T, E> {
    transaction(
        sql,
        |sql| {
            if advance(sql, consumer, stream, first, last)? { work(sql) } else { Ok(T::default()) }
        },
    )
}

/// Moves the offset over the events `first` to `last`, inside the caller's transaction. False: they were consumed before.
///
/// # Errors
/// When an event between is missing, or the database fails.
fn advance(sql: &impl Sql, consumer: &str, stream: &str, first: u64, last: u64) -> Result<bool, OffsetError> {
    let at = get(sql, consumer, stream)?;
    if last <= at {
        return Ok(false);
    }
    if first > at + 1 {
        return Err(OffsetError::Gap { stream: stream.to_owned(), expected: at + 1, found: first });
    }
    sql.execute(
        "INSERT INTO consumer_offsets (consumer, stream, seq) VALUES (?1, ?2, ?3) \
         ON CONFLICT (consumer, stream) DO UPDATE SET seq = excluded.seq",
        &[consumer.into(), stream.into(), Value::Integer(i64::try_from(last).unwrap_or(i64::MAX))],
    )?;
    Ok(true)
}
