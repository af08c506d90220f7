//! `accounts`.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{Account, email_key};

/// Adds an account.
///
/// # Errors
/// [`SqlError::Constraint`] when the address is taken.
pub fn insert_account(sql: &impl Sql, account: &Account, password_hash: &str) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO accounts (id, email, email_key, password_hash, display_name, role, created_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            Value::display(&account.id),
            account.email.as_str().into(),
            email_key(&account.email).into(),
            password_hash.into(),
            account.display_name.as_str().into(),
            account.role.name().into(),
            account.created_at.into(),
        ],
    )?;
    Ok(())
}

/// Replaces a password's hash. False: it is another one by now.
///
/// # Errors
/// When the database fails.
pub fn replace_password(sql: &impl Sql, id: AccountId, old: &str, new: &str) -> Result<bool, SqlError> {
    let changed = sql.execute(
        "UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
        &[Value::display(&id), old.into(), new.into()],
    )?;
    Ok(changed == 1)
}

/// Keeps what a new account's part of events is sealed with.
///
/// # Errors
/// When the database fails.
pub fn insert_seal_key(sql: &impl Sql, id: AccountId, key: &SealKey) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO account_keys (account_id, seal_key) VALUES (?1, ?2)",
        &[Value::display(&id), key.as_bytes().as_slice().into()],
    )
    .map(drop)
}

/// What an account's part of events is sealed with: none where the account is not known here, and in it none where the key
/// was erased.
///
/// # Errors
/// When the database fails.
pub fn seal_key(sql: &impl Sql, id: AccountId) -> Result<Option<Option<SealKey>>, SqlError> {
    let row = sql.first(
        "SELECT coalesce(seal_key, x'') FROM account_keys WHERE account_id = ?1",
        &[Value::display(&id)],
    )?;
    row.map(|row| Ok(SealKey::from_slice(row.blob(0)?))).transpose()
}

/// Id, address, name, role, when it was made, and whether it is approved.
pub(super) fn read(row: &Row) -> Result<Account, SqlError> {
    Ok(Account {
        id: row.parse(0)?,
        email: row.text(1)?.to_owned(),
        display_name: row.text(2)?.to_owned(),
        role: row.parse(3)?,
        created_at: UtcMillis::new(row.int(4)?),
        approved: row.int(5)? != 0,
    })
}

/// The account of an id.
///
/// # Errors
/// When the database fails.
pub fn account(sql: &impl Sql, id: AccountId) -> Result<Option<Account>, SqlError> {
    let row = sql.first(
        "SELECT id, email, display_name, role, created_at_ms, \
         NOT EXISTS (SELECT 1 FROM awaiting_approval WHERE account_id = accounts.id) FROM accounts WHERE id = ?1",
        &[Value::display(&id)],
    )?;
    row.as_ref().map(read).transpose()
}

/// The account of an address, with its password's hash.
///
/// # Errors
/// When the database fails.
pub fn credentials(sql: &impl Sql, email: &str) -> Result<Option<(Account, String)>, SqlError> {
    let row = sql.first(
        "SELECT id, email, display_name, role, created_at_ms, \
         NOT EXISTS (SELECT 1 FROM awaiting_approval WHERE account_id = accounts.id), password_hash \
         FROM accounts WHERE email_key = ?1",
        &[email_key(email).into()],
    )?;
    row.map(|row| Ok((read(&row)?, row.text(6)?.to_owned()))).transpose()
}
