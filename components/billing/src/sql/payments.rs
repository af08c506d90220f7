//! `payments`.

use petwalker_kernel::{InvoiceId, Money, PaymentId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::Attempt;

/// A payment that is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id, by which the provider knows it too.
    pub id: PaymentId,
    /// What it pays.
    pub invoice_id: InvoiceId,
    /// How much.
    pub amount: Money,
    /// How: the provider's token.
    pub token: String,
    /// How often the provider was asked.
    pub attempts: u32,
}

/// Adds a pending payment, due at once.
///
/// # Errors
/// When the database fails.
pub fn insert_payment(sql: &impl Sql, payment: &Payment, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO payments (id, invoice_id, amount_minor, currency, token, state, due_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6)",
        &[
            Value::display(&payment.id),
            Value::display(&payment.invoice_id),
            payment.amount.minor().into(),
            payment.amount.currency().as_str().into(),
            payment.token.as_str().into(),
            now.into(),
        ],
    )?;
    Ok(())
}

/// Pending payments whose time has come.
///
/// # Errors
/// When the database fails.
pub fn due_payments(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<Vec<Payment>, SqlError> {
    let rows = sql.query(
        "SELECT id, invoice_id, amount_minor, currency, token, attempts FROM payments \
         WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2",
        &[now.into(), limit.into()],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Payment {
                id: row.parse(0)?,
                invoice_id: row.parse(1)?,
                amount: Money::new(row.int(2)?, row.parse(3)?),
                token: row.text(4)?.to_owned(),
                attempts: row.uint(5)?,
            })
        })
        .collect()
}

/// When the next payment is due.
///
/// # Errors
/// When the database fails.
pub fn next_due(sql: &impl Sql) -> Result<Option<UtcMillis>, SqlError> {
    let row = sql.first("SELECT min(due_at_ms) FROM payments WHERE due_at_ms IS NOT NULL", &[])?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(UtcMillis::new))
}

/// Writes what came of an attempt. False: the payment was settled meanwhile.
///
/// # Errors
/// When the database fails.
pub fn settle_payment(sql: &impl Sql, id: PaymentId, attempt: Attempt) -> Result<bool, SqlError> {
    let (state, due) = match attempt {
        Attempt::Captured => ("captured", None),
        Attempt::Declined => ("declined", None),
        Attempt::Again(at) => ("pending", Some(at.get())),
    };
    let changed = sql.execute(
        "UPDATE payments SET state = ?2, due_at_ms = ?3, attempts = attempts + 1 WHERE id = ?1 AND state = 'pending'",
        &[Value::display(&id), state.into(), due.into()],
    )?;
    Ok(changed == 1)
}
