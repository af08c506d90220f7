//! `awaiting_approval`.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use super::accounts::read;
use crate::domain::Account;

/// Notes that an account is not approved. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn await_approval(sql: &impl Sql, id: AccountId, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "INSERT OR IGNORE INTO awaiting_approval (account_id, since_ms) VALUES (?1, ?2)",
        &[Value::display(&id), now.into()],
    )
    .map(drop)
}

/// Notes that an account is approved. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn approve(sql: &impl Sql, id: AccountId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM awaiting_approval WHERE account_id = ?1", &[Value::display(&id)]).map(drop)
}

/// Whether an account is not approved.
///
/// # Errors
/// When the database fails.
pub fn awaits_approval(sql: &impl Sql, id: AccountId) -> Result<bool, SqlError> {
    let row = sql.first("SELECT 1 FROM awaiting_approval WHERE account_id = ?1", &[Value::display(&id)])?;
    Ok(row.is_some())
}

/// Accounts that are not approved, by id, after one.
///
/// # Errors
/// When the database fails.
pub fn awaiting(sql: &impl Sql, after: &str, limit: u32) -> Result<Vec<Account>, SqlError> {
    let rows = sql.query(
        "SELECT id, email, display_name, role, created_at_ms, 0 \
         FROM awaiting_approval JOIN accounts ON id = account_id WHERE account_id > ?1 ORDER BY account_id LIMIT ?2",
        &[after.into(), limit.into()],
    )?;
    rows.iter().map(read).collect()
}
