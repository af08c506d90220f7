//! `invoices` and `payment_methods`.

use petwalker_kernel::{AccountId, InvoiceId, RideId};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::Invoice;

/// Adds an invoice.
///
/// # Errors
/// When the ride has one, or the database fails.
pub fn insert_invoice(sql: &impl Sql, invoice: &Invoice) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO invoices (id, ride_id, tutor_id, walker_id, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            Value::display(&invoice.id),
            Value::display(&invoice.ride_id),
            Value::display(&invoice.tutor_id),
            invoice.walker_id.map(|id| id.to_string()).into(),
            Value::encode(invoice)?,
        ],
    )?;
    Ok(())
}

/// Writes an invoice as it is now.
///
/// # Errors
/// When the database fails.
pub fn update_invoice(sql: &impl Sql, invoice: &Invoice) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE invoices SET body = ?2 WHERE id = ?1",
        &[Value::display(&invoice.id), Value::encode(invoice)?],
    )?;
    Ok(())
}

/// The invoice of a ride.
///
/// # Errors
/// When the database fails.
pub fn invoice(sql: &impl Sql, ride: RideId) -> Result<Option<Invoice>, SqlError> {
    let row = sql.first("SELECT body FROM invoices WHERE ride_id = ?1", &[Value::display(&ride)])?;
    row.map(|row| row.decode(0)).transpose()
}

/// The invoice of an id.
///
/// # Errors
/// When the database fails.
pub fn invoice_by_id(sql: &impl Sql, id: InvoiceId) -> Result<Option<Invoice>, SqlError> {
    let row = sql.first("SELECT body FROM invoices WHERE id = ?1", &[Value::display(&id)])?;
    row.map(|row| row.decode(0)).transpose()
}

/// How an account pays.
///
/// # Errors
/// When the database fails.
pub fn method(sql: &impl Sql, account: AccountId) -> Result<Option<String>, SqlError> {
    let row =
        sql.first("SELECT token FROM payment_methods WHERE account_id = ?1", &[Value::display(&account)])?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Writes how an account pays.
///
/// # Errors
/// When the database fails.
pub fn put_method(sql: &impl Sql, account: AccountId, token: &str) -> Result<(), SqlError> {
    sql.execute(
        "INSERT OR REPLACE INTO payment_methods (account_id, token) VALUES (?1, ?2)",
        &[Value::display(&account), token.into()],
    )?;
    Ok(())
}

/// Removes how an account pays, and what its payments that have ended were asked for with.
///
/// # Errors
/// When the database fails.
pub fn forget_method(sql: &impl Sql, account: AccountId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM payment_methods WHERE account_id = ?1", &[Value::display(&account)])?;
    sql.execute(
        "UPDATE payments SET token = '' WHERE payer = ?1 AND state <> 'pending'",
        &[Value::display(&account)],
    )?;
    Ok(())
}
