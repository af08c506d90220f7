//! `tickets`, in the region's database.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value, remove_due};

use crate::domain::Role;

/// A ticket as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is.
    pub account: AccountId,
    /// As what.
    pub role: Role,
    /// What it is good for.
    pub purpose: String,
    /// When the access token ends that it was issued for.
    pub access_ends_at: UtcMillis,
    /// When it ends unused.
    pub expires_at: UtcMillis,
}

/// Keeps a ticket under the digest of its value.
///
/// # Errors
/// When the database fails.
pub fn insert_ticket(sql: &impl Sql, digest: [u8; 32], ticket: &Ticket) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO tickets (digest, account_id, role, purpose, access_ends_at_ms, expires_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            digest.as_slice().into(),
            Value::display(&ticket.account),
            ticket.role.name().into(),
            ticket.purpose.as_str().into(),
            ticket.access_ends_at.into(),
            ticket.expires_at.into(),
        ],
    )
    .map(drop)
}

/// Takes a ticket out: whoever comes first has it.
///
/// # Errors
/// When the database fails.
pub fn take_ticket(sql: &impl Sql, digest: [u8; 32]) -> Result<Option<Ticket>, SqlError> {
    let row = sql.first(
        "DELETE FROM tickets WHERE digest = ?1 \
         RETURNING account_id, role, purpose, access_ends_at_ms, expires_at_ms",
        &[digest.as_slice().into()],
    )?;
    row.map(|row| {
        Ok(Ticket {
            account: row.parse(0)?,
            role: row.parse(1)?,
            purpose: row.text(2)?.to_owned(),
            access_ends_at: UtcMillis::new(row.int(3)?),
            expires_at: UtcMillis::new(row.int(4)?),
        })
    })
    .transpose()
}

/// Removes the tickets that ended unused.
///
/// # Errors
/// When the database fails.
pub fn purge_tickets(sql: &impl Sql, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute("DELETE FROM tickets WHERE expires_at_ms <= ?1", &[now.into()]).map(drop)
}

/// Removes tickets that ended unused, at most `limit`; how many. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn purge_ended_tickets(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    remove_due(
        sql,
        "SELECT 1 FROM tickets WHERE expires_at_ms <= ?1 LIMIT 1",
        "DELETE FROM tickets WHERE digest IN \
         (SELECT digest FROM tickets WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2)",
        now,
        limit,
    )
}
