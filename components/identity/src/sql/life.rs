//! People who are erased.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use super::sessions::revoke_all;
use crate::domain::Role;

/// Erases what is kept of a person here, the key in all regions' events with it, and notes that the rest is to be erased. What
/// stays is an id that names nobody. Inside the caller's transaction.
///
/// # Errors
/// When the database fails.
pub fn erase(
    sql: &impl Sql,
    id: AccountId,
    role: Role,
    nobodys_hash: &str,
    now: UtcMillis,
) -> Result<(), SqlError> {
    let account = Value::display(&id);
    sql.execute(
        "UPDATE accounts SET email = '', email_key = 'erased:' || id, password_hash = ?2, display_name = '' \
         WHERE id = ?1",
        &[account.clone(), nobodys_hash.into()],
    )?;
    for statement in [
        "UPDATE account_keys SET seal_key = NULL WHERE account_id = ?1",
        "DELETE FROM pets WHERE tutor_id = ?1",
        "UPDATE ratings SET comment = '' WHERE tutor_id = ?1",
        "DELETE FROM commands WHERE actor = ?1",
        "DELETE FROM daily_counts WHERE account = ?1",
        "DELETE FROM awaiting_approval WHERE account_id = ?1",
    ] {
        sql.execute(statement, std::slice::from_ref(&account))?;
    }
    if role == Role::Walker {
        sql.execute("DELETE FROM ratings WHERE walker_id = ?1", std::slice::from_ref(&account))?;
        sql.execute("DELETE FROM walkers WHERE account_id = ?1", std::slice::from_ref(&account))?;
    }
    revoke_all(sql, id, now)?;
    sql.execute(
        "INSERT OR IGNORE INTO erasures (account_id, at_ms) VALUES (?1, ?2)",
        &[account, now.into()],
    )?;
    Ok(())
}

/// Who was erased after a number, in order.
///
/// # Errors
/// When the database fails.
pub fn erasures_after(sql: &impl Sql, seq: u64, limit: u32) -> Result<Vec<(u64, AccountId)>, SqlError> {
    let after = i64::try_from(seq).unwrap_or(i64::MAX);
    let rows = sql.query(
        "SELECT seq, account_id FROM erasures WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        &[after.into(), limit.into()],
    )?;
    rows.iter().map(|row| Ok((row.uint(0)?, row.parse(1)?))).collect()
}
