//! `payments` and `payment_shares`.

use petwalker_kernel::{AccountId, InvoiceId, Money, OrderId, PaymentId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{Attempt, LedgerAccount, Purpose};

/// What a payment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An invoice: its ride, or a tip.
    Invoice(InvoiceId, Purpose),
    /// An order of the shop, and which attempt to pay it this is, from 1.
    Order(OrderId, u32),
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id, by which the provider knows it too.
    pub id: PaymentId,
    /// What it pays.
    pub subject: Subject,
    /// Who pays.
    pub payer: AccountId,
    /// How much.
    pub amount: Money,
    /// How: the provider's token.
    pub token: String,
    /// How often the provider was asked.
    pub attempts: u32,
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Asked for; the provider is asked again at that time.
    Pending(UtcMillis),
    /// Paid.
    Captured,
    /// Refused by the provider.
    Declined,
}

/// Adds a pending payment, due at once, and what each account gets of it once it is captured. What the shares leave is the
/// platform's.
///
/// # Errors
/// When the database fails.
pub fn insert_payment(
    sql: &impl Sql,
    payment: &Payment,
    shares: &[(LedgerAccount, Money)],
    now: UtcMillis,
) -> Result<(), SqlError> {
    let (kind, invoice, order, attempt) = match payment.subject {
        Subject::Invoice(id, Purpose::Ride) => ("ride", Some(id.to_string()), None, 0),
        Subject::Invoice(id, Purpose::Tip) => ("tip", Some(id.to_string()), None, 0),
        Subject::Order(id, attempt) => ("order", None, Some(id.to_string()), attempt),
    };
    sql.execute(
        "INSERT INTO payments (id, kind, payer, invoice_id, order_id, order_attempt, amount_minor, currency, token, \
         state, due_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'pending', ?10)",
        &[
            Value::display(&payment.id),
            kind.into(),
            Value::display(&payment.payer),
            invoice.into(),
            order.into(),
            attempt.into(),
            payment.amount.minor().into(),
            payment.amount.currency().as_str().into(),
            payment.token.as_str().into(),
            now.into(),
        ],
    )?;
    for (account, amount) in shares.iter().filter(|(_, amount)| amount.minor() > 0) {
        sql.execute(
            "INSERT INTO payment_shares (payment_id, account, amount_minor) VALUES (?1, ?2, ?3)",
            &[Value::display(&payment.id), Value::display(account), amount.minor().into()],
        )?;
    }
    Ok(())
}

/// What each account gets of a payment once it is captured.
///
/// # Errors
/// When the database fails.
pub fn shares(sql: &impl Sql, payment: &Payment) -> Result<Vec<(LedgerAccount, Money)>, SqlError> {
    let rows = sql.query(
        "SELECT account, amount_minor FROM payment_shares WHERE payment_id = ?1 ORDER BY account",
        &[Value::display(&payment.id)],
    )?;
    let currency = payment.amount.currency();
    rows.iter().map(|row| Ok((row.parse(0)?, Money::new(row.int(1)?, currency)))).collect()
}

fn read(row: &Row) -> Result<Payment, SqlError> {
    let stored = || SqlError::Stored("a payment is for an invoice or for an order".to_owned());
    let invoice = || row.opt_text(3)?.ok_or_else(stored)?.parse().map_err(|_| stored());
    let subject = match row.text(1)? {
        "ride" => Subject::Invoice(invoice()?, Purpose::Ride),
        "tip" => Subject::Invoice(invoice()?, Purpose::Tip),
        _ => {
            let order = row.opt_text(4)?.ok_or_else(stored)?.parse().map_err(|_| stored())?;
            Subject::Order(order, row.uint(5)?)
        }
    };
    Ok(Payment {
        id: row.parse(0)?,
        subject,
        payer: row.parse(2)?,
        amount: Money::new(row.int(6)?, row.parse(7)?),
        token: row.text(8)?.to_owned(),
        attempts: row.uint(9)?,
    })
}

/// Pending payments whose time has come.
///
/// # Errors
/// When the database fails.
pub fn due_payments(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<Vec<Payment>, SqlError> {
    let rows = sql.query(
        "SELECT id, kind, payer, invoice_id, order_id, order_attempt, amount_minor, currency, token, attempts \
         FROM payments WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2",
        &[now.into(), limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// When the next payment is due.
///
/// # Errors
/// When the database fails.
pub fn next_due(sql: &impl Sql) -> Result<Option<UtcMillis>, SqlError> {
    let row = sql.first("SELECT min(due_at_ms) FROM payments WHERE due_at_ms IS NOT NULL", &[])?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(UtcMillis::new))
}

/// One attempt to pay an order, and where it stands.
///
/// # Errors
/// When the database fails.
pub fn order_payment(
    sql: &impl Sql,
    order: OrderId,
    attempt: u32,
) -> Result<Option<(Payment, Standing)>, SqlError> {
    let row = sql.first(
        "SELECT id, kind, payer, invoice_id, order_id, order_attempt, amount_minor, currency, token, attempts, state, \
         due_at_ms FROM payments WHERE order_id = ?1 AND order_attempt = ?2",
        &[Value::display(&order), attempt.into()],
    )?;
    row.map(|row| {
        let standing = match row.text(10)? {
            "captured" => Standing::Captured,
            "declined" | "replaced" => Standing::Declined,
            _ => Standing::Pending(UtcMillis::new(row.opt_int(11)?.unwrap_or_default())),
        };
        Ok((read(&row)?, standing))
    })
    .transpose()
}

/// An account's declined payments of rides, which it owes.
///
/// # Errors
/// When the database fails.
pub fn debts(sql: &impl Sql, payer: AccountId, limit: u32) -> Result<Vec<Payment>, SqlError> {
    let rows = sql.query(
        "SELECT id, kind, payer, invoice_id, order_id, order_attempt, amount_minor, currency, token, attempts \
         FROM payments WHERE payer = ?1 AND state = 'declined' AND kind = 'ride' ORDER BY id LIMIT ?2",
        &[Value::display(&payer), limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// Notes that another payment stands in the place of a declined one. False: it was not declined any more.
///
/// # Errors
/// When the database fails.
pub fn replace(sql: &impl Sql, id: PaymentId) -> Result<bool, SqlError> {
    let changed = sql.execute(
        "UPDATE payments SET state = 'replaced' WHERE id = ?1 AND state = 'declined'",
        &[Value::display(&id)],
    )?;
    Ok(changed == 1)
}

/// Writes what came of an attempt; what it was asked for with goes with its end. False: the payment was settled meanwhile.
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
        "UPDATE payments SET state = ?2, due_at_ms = ?3, attempts = attempts + 1, \
         token = CASE ?2 WHEN 'pending' THEN token ELSE '' END WHERE id = ?1 AND state = 'pending'",
        &[Value::display(&id), state.into(), due.into()],
    )?;
    Ok(changed == 1)
}
