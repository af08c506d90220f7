//! `notifications` and `notification_templates`.

use petwalker_kernel::{AccountId, EventId, RideId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value, remove_due};

use crate::domain::{Happening, Kind};

/// What an account was told, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its id, which is the event's.
    pub id: EventId,
    /// The code of what it is about.
    pub kind: String,
    /// The ride.
    pub ride_id: RideId,
    /// A few words.
    pub title: String,
    /// A sentence.
    pub body: String,
    /// When it happened.
    pub at: UtcMillis,
    /// Whether it was read.
    pub read: bool,
}

/// Removes all that an account was told.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM notifications WHERE account_id = ?1", &[Value::display(&account)])?;
    Ok(())
}

/// Removes notifications from before a moment, at most `limit`; how many. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn purge(sql: &impl Sql, before: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    remove_due(
        sql,
        "SELECT 1 FROM notifications WHERE at_ms < ?1 LIMIT 1",
        "DELETE FROM notifications WHERE (account_id, id) IN \
         (SELECT account_id, id FROM notifications WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
        before,
        limit,
    )
}

/// Tells an account something, in the newest words there are for it. One event tells an account one thing.
///
/// # Errors
/// When the database fails.
pub fn tell(sql: &impl Sql, account: AccountId, kind: Kind, of: &Happening) -> Result<u64, SqlError> {
    sql.execute(
        "INSERT OR IGNORE INTO notifications (account_id, id, kind, template, ride_id, at_ms) \
         VALUES (?1, ?2, ?3, (SELECT max(version) FROM notification_templates WHERE kind = ?3), ?4, ?5)",
        &[
            Value::display(&account),
            Value::display(&of.event_id),
            kind.code().into(),
            Value::display(&of.ride_id),
            of.at.get().into(),
        ],
    )
}

/// The languages that there are words in, the default first.
///
/// # Errors
/// When the database fails.
pub fn locales(sql: &impl Sql) -> Result<Vec<String>, SqlError> {
    let found = sql.query(
        "SELECT DISTINCT locale FROM notification_templates ORDER BY locale <> 'pt-BR', locale",
        &[],
    )?;
    found.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// What an account was told before `cursor`, newest first.
///
/// # Errors
/// When the database fails.
pub fn list(
    sql: &impl Sql,
    account: AccountId,
    cursor: Option<EventId>,
    limit: u32,
    locale: &str,
) -> Result<Vec<Notification>, SqlError> {
    let rows = sql.query(
        "SELECT id, notifications.kind, ride_id, title, body, at_ms, read FROM notifications \
         JOIN notification_templates AS words ON words.kind = notifications.kind \
         AND words.version = notifications.template AND words.locale = ?3 \
         WHERE account_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?4",
        &[
            Value::display(&account),
            // Greater than every id.
            cursor.map_or_else(|| "g".to_owned(), |id| id.to_string()).into(),
            locale.to_owned().into(),
            limit.into(),
        ],
    )?;
    rows.iter().map(notification).collect()
}

fn notification(row: &Row) -> Result<Notification, SqlError> {
    Ok(Notification {
        id: row.parse(0)?,
        kind: row.text(1)?.to_owned(),
        ride_id: row.parse(2)?,
        title: row.text(3)?.to_owned(),
        body: row.text(4)?.to_owned(),
        at: UtcMillis::new(row.int(5)?),
        read: row.int(6)? == 1,
    })
}

/// How many an account did not read.
///
/// # Errors
/// When the database fails.
pub fn unread(sql: &impl Sql, account: AccountId) -> Result<u32, SqlError> {
    let count = "SELECT count(*) FROM notifications WHERE account_id = ?1 AND read = 0";
    sql.first(count, &[Value::display(&account)])?.map_or(Ok(0), |row| row.uint(0))
}

/// Marks as read what an account was told up to one of them.
///
/// # Errors
/// When the database fails.
pub fn mark_read(sql: &impl Sql, account: AccountId, up_to: EventId) -> Result<(), SqlError> {
    let update = "UPDATE notifications SET read = 1 WHERE account_id = ?1 AND id <= ?2 AND read = 0";
    sql.execute(update, &[Value::display(&account), Value::display(&up_to)])?;
    Ok(())
}
