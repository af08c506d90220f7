//! `sessions` and `refresh_tokens`.

use petwalker_kernel::{AccountId, SessionId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value, transaction};

use crate::domain::REFRESH_TTL;

/// A refresh token as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its session.
    pub session: SessionId,
    /// Whether it was traded before.
    pub used: bool,
    /// Whether the session was ended.
    pub revoked: bool,
    /// When the session ends.
    pub expires_at: UtcMillis,
}

/// Opens a session.
///
/// # Errors
/// When the database fails.
pub fn insert_session(
    sql: &impl Sql,
    id: SessionId,
    account: AccountId,
    expires_at: UtcMillis,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO sessions (id, account_id, expires_at_ms) VALUES (?1, ?2, ?3)",
        &[Value::display(&id), Value::display(&account), expires_at.into()],
    )?;
    Ok(())
}

/// Adds a session's newest refresh token and moves its end.
///
/// # Errors
/// When the database fails.
pub fn insert_refresh_token(
    sql: &impl Sql,
    session: SessionId,
    digest: [u8; 32],
    expires_at: UtcMillis,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO refresh_tokens (digest, session_id) VALUES (?1, ?2)",
        &[digest.as_slice().into(), Value::display(&session)],
    )?;
    sql.execute(
        "UPDATE sessions SET expires_at_ms = ?2 WHERE id = ?1",
        &[Value::display(&session), expires_at.into()],
    )?;
    Ok(())
}

/// The refresh token of a digest.
///
/// # Errors
/// When the database fails.
pub fn refresh_token(sql: &impl Sql, digest: [u8; 32]) -> Result<Option<Trade>, SqlError> {
    let row = sql.first(
        "SELECT t.session_id, t.used_at_ms IS NOT NULL, s.revoked_at_ms IS NOT NULL, s.expires_at_ms \
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.digest = ?1",
        &[digest.as_slice().into()],
    )?;
    row.map(|row| {
        Ok(Trade {
            session: row.parse(0)?,
            used: row.int(1)? != 0,
            revoked: row.int(2)? != 0,
            expires_at: UtcMillis::new(row.int(3)?),
        })
    })
    .transpose()
}

/// Notes that a refresh token was traded.
///
/// # Errors
/// When the database fails.
pub fn mark_used(sql: &impl Sql, digest: [u8; 32], now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE refresh_tokens SET used_at_ms = ?2 WHERE digest = ?1",
        &[digest.as_slice().into(), now.into()],
    )?;
    Ok(())
}

/// How many of a session's refresh tokens were traded after a moment, and when the first of them was.
///
/// # Errors
/// When the database fails.
pub fn refreshes_since(
    sql: &impl Sql,
    session: SessionId,
    since: UtcMillis,
) -> Result<(u32, Option<UtcMillis>), SqlError> {
    let row = sql.first(
        "SELECT count(*), min(used_at_ms) FROM refresh_tokens WHERE session_id = ?1 AND used_at_ms > ?2",
        &[Value::display(&session), since.into()],
    )?;
    row.map_or(Ok((0, None)), |row| Ok((row.uint(0)?, row.opt_int(1)?.map(UtcMillis::new))))
}

/// Ends a session.
///
/// # Errors
/// When the database fails.
pub fn revoke(sql: &impl Sql, session: SessionId, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE sessions SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL",
        &[Value::display(&session), now.into()],
    )?;
    Ok(())
}

/// Ends every session of an account.
///
/// # Errors
/// When the database fails.
pub fn revoke_all(sql: &impl Sql, account: AccountId, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE sessions SET revoked_at_ms = ?2 WHERE account_id = ?1 AND revoked_at_ms IS NULL",
        &[Value::display(&account), now.into()],
    )?;
    Ok(())
}

/// Whether a session was ended. One that is not known here is not: a replica may be behind.
///
/// # Errors
/// When the database fails.
pub fn is_revoked(sql: &impl Sql, session: SessionId) -> Result<bool, SqlError> {
    let row = sql.first(
        "SELECT 1 FROM sessions WHERE id = ?1 AND revoked_at_ms IS NOT NULL",
        &[Value::display(&session)],
    )?;
    Ok(row.is_some())
}

/// Whose a session is.
///
/// # Errors
/// When the database fails.
pub fn session_account(sql: &impl Sql, session: SessionId) -> Result<Option<AccountId>, SqlError> {
    let row = sql.first("SELECT account_id FROM sessions WHERE id = ?1", &[Value::display(&session)])?;
    row.map(|row| row.parse(0)).transpose()
}

/// Removes sessions of an account that ended, with their tokens.
///
/// # Errors
/// When the database fails.
pub fn purge(sql: &impl Sql, account: AccountId, now: UtcMillis) -> Result<(), SqlError> {
    let parameters = [Value::display(&account), now.into()];
    sql.execute(
        "DELETE FROM refresh_tokens WHERE session_id IN \
         (SELECT id FROM sessions WHERE account_id = ?1 AND expires_at_ms < ?2)",
        &parameters,
    )?;
    sql.execute("DELETE FROM sessions WHERE account_id = ?1 AND expires_at_ms < ?2", &parameters)?;
    Ok(())
}

/// Removes sessions that ended before now, with their tokens, and used tokens that are so old that nobody can trade them,
/// at most `limit` of each; how many sessions and how many tokens. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn purge_ended(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<(u64, u64), SqlError> {
    let used_before = now.minus(REFRESH_TTL);
    let due = "SELECT 1 WHERE EXISTS (SELECT 1 FROM sessions WHERE expires_at_ms < ?1) \
         OR EXISTS (SELECT 1 FROM refresh_tokens WHERE used_at_ms < ?2)";
    if sql.first(due, &[now.into(), used_before.into()])?.is_none() {
        return Ok((0, 0));
    }
    transaction(sql, |sql| {
        let old = sql.execute(
            "DELETE FROM refresh_tokens WHERE digest IN \
             (SELECT digest FROM refresh_tokens WHERE used_at_ms < ?1 ORDER BY used_at_ms LIMIT ?2)",
            &[used_before.into(), limit.into()],
        )?;
        let of_ended = sql.execute(
            "DELETE FROM refresh_tokens WHERE session_id IN \
             (SELECT id FROM sessions WHERE expires_at_ms < ?1 ORDER BY expires_at_ms LIMIT ?2)",
            &[now.into(), limit.into()],
        )?;
        let sessions = sql.execute(
            "DELETE FROM sessions WHERE id IN \
             (SELECT id FROM sessions WHERE expires_at_ms < ?1 ORDER BY expires_at_ms LIMIT ?2)",
            &[now.into(), limit.into()],
        )?;
        Ok((sessions, old + of_ended))
    })
}
