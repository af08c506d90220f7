//! Filling inboxes from events, and reading them.

use petwalker_kernel::{AccountId, EventId, Millis, UtcMillis};
use petwalker_store::{OffsetError, Sql, SqlError, consume_events, get_offset, transaction};

use crate::domain::{Happening, closest, told};
use crate::sql::{self, Notification};

#[cfg(test)]
mod tests;

/// The name under which offsets are kept.
pub const CONSUMER: &str = "notifications";

/// How long a notification is kept.
pub const KEPT_FOR: Millis = Millis::from_mins(90 * 24 * 60);
/// Notifications that one call removes: writers wait meanwhile.
pub const PURGED_MAX: u32 = 500;

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is allowed.
        message: String,
    },
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

/// Some of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub notifications: Vec<Notification>,
    /// Where those before begin.
    pub next: Option<EventId>,
    /// How many of the whole inbox were not read.
    pub unread: u32,
}

/// How far a stream was consumed.
///
/// # Errors
/// When the database fails.
pub fn offset(sql: &impl Sql, stream: &str) -> Result<u64, Refusal> {
    Ok(get_offset(sql, CONSUMER, stream)?)
}

/// Consumes a run of events, first to last: tells everybody what it means to them. How many were told.
///
/// # Errors
/// When an event is missing before them, or the database fails.
pub fn consume(
    sql: &impl Sql,
    stream: &str,
    run: (u64, u64),
    happenings: &[Happening],
) -> Result<u64, Refusal> {
    consume_events(sql, CONSUMER, stream, run, |sql| {
        let mut count = 0;
        for happening in happenings {
            for (account, kind) in told(happening) {
                count += sql::tell(sql, account, kind, happening)?;
            }
        }
        Ok(count)
    })
}

/// An account's inbox before `cursor`, newest first.
///
/// # Errors
/// When the limit is out of range.
pub fn list(
    sql: &impl Sql,
    account: AccountId,
    cursor: Option<EventId>,
    limit: u32,
    locale: &str,
) -> Result<Page, Refusal> {
    if !(1..=100).contains(&limit) {
        return Err(Refusal::Invalid { field: "limit", message: "must be 1 to 100".to_owned() });
    }
    let known = sql::locales(sql)?;
    let locale = closest(locale, &known).unwrap_or_default();
    let mut notifications = sql::list(sql, account, cursor, limit + 1, locale)?;
    let more = notifications.len() > limit as usize;
    notifications.truncate(limit as usize);
    let next = notifications.last().filter(|_| more).map(|last| last.id);
    Ok(Page { notifications, next, unread: sql::unread(sql, account)? })
}

/// Removes all that somebody was told who was erased. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), Refusal> {
    Ok(sql::forget(sql, account)?)
}

/// Removes what was told longer ago than [`KEPT_FOR`], at most [`PURGED_MAX`]; how many.
///
/// # Errors
/// When the database fails.
pub fn purge(sql: &impl Sql, now: UtcMillis) -> Result<u64, Refusal> {
    Ok(sql::purge(sql, now.minus(KEPT_FOR), PURGED_MAX)?)
}

/// Marks as read what an account was told up to one of them. How many are unread then.
///
/// # Errors
/// When the database fails.
pub fn mark_read(sql: &impl Sql, account: AccountId, up_to: EventId) -> Result<u32, Refusal> {
    transaction(sql, |sql| {
        sql::mark_read(sql, account, up_to)?;
        Ok(sql::unread(sql, account)?)
    })
}
