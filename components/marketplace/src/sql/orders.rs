//! `orders` and `order_shares`.

use petwalker_kernel::{AccountId, Money, OrderId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{CartLine, Order};

/// Adds an order, and what each partner gets of it.
///
/// # Errors
/// When the database fails.
pub fn insert_order(sql: &impl Sql, order: &Order, shares: &[(AccountId, Money)]) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO orders (id, tutor_id, state, lines, total_minor, currency, expires_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            Value::display(&order.id),
            Value::display(&order.tutor_id),
            order.state.name().into(),
            Value::encode(&order.lines)?,
            order.total.minor().into(),
            order.total.currency().as_str().into(),
            order.expires_at.into(),
        ],
    )?;
    for (partner, amount) in shares {
        sql.execute(
            "INSERT INTO order_shares (order_id, partner_id, amount_minor) VALUES (?1, ?2, ?3)",
            &[Value::display(&order.id), Value::display(partner), amount.minor().into()],
        )?;
    }
    Ok(())
}

/// What each partner gets of an order.
///
/// # Errors
/// When the database fails.
pub fn shares(sql: &impl Sql, order: &Order) -> Result<Vec<(AccountId, Money)>, SqlError> {
    let rows = sql.query(
        "SELECT partner_id, amount_minor FROM order_shares WHERE order_id = ?1 ORDER BY partner_id",
        &[Value::display(&order.id)],
    )?;
    let currency = order.total.currency();
    rows.iter().map(|row| Ok((row.parse(0)?, Money::new(row.int(1)?, currency)))).collect()
}

fn read(row: &Row) -> Result<Order, SqlError> {
    Ok(Order {
        id: row.parse(0)?,
        tutor_id: row.parse(1)?,
        state: row.parse(2)?,
        lines: row.decode(3)?,
        total: Money::new(row.int(4)?, row.parse(5)?),
        expires_at: UtcMillis::new(row.int(6)?),
        payment: row.parse(7)?,
        attempts: row.uint(8)?,
    })
}

/// The order of an id.
///
/// # Errors
/// When the database fails.
pub fn order(sql: &impl Sql, id: OrderId) -> Result<Option<Order>, SqlError> {
    let row = sql.first(
        "SELECT id, tutor_id, state, lines, total_minor, currency, expires_at_ms, payment, attempts \
         FROM orders WHERE id = ?1",
        &[Value::display(&id)],
    )?;
    row.as_ref().map(read).transpose()
}

/// The lines of each order of a tutor whose stock is set aside.
///
/// # Errors
/// When the database fails.
pub fn open_lines(sql: &impl Sql, tutor: AccountId) -> Result<Vec<Vec<CartLine>>, SqlError> {
    let rows = sql.query(
        "SELECT lines FROM orders WHERE tutor_id = ?1 AND state = 'reserved'",
        &[Value::display(&tutor)],
    )?;
    rows.iter().map(|row| row.decode(0)).collect()
}

/// Reservations whose time is over and whose payment is not under way.
///
/// # Errors
/// When the database fails.
pub fn overdue(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<Vec<Order>, SqlError> {
    let rows = sql.query(
        "SELECT id, tutor_id, state, lines, total_minor, currency, expires_at_ms, payment, attempts FROM orders \
         WHERE state = 'reserved' AND payment <> 'pending' AND expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2",
        &[now.into(), limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// Orders whose payment is under way, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn unpaid(sql: &impl Sql, limit: u32) -> Result<Vec<Order>, SqlError> {
    let rows = sql.query(
        "SELECT id, tutor_id, state, lines, total_minor, currency, expires_at_ms, payment, attempts FROM orders \
         WHERE payment = 'pending' ORDER BY id LIMIT ?1",
        &[limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// Notes that a reserved order's payment is asked for once more. False: it is not reserved, or its payment is under way.
///
/// # Errors
/// When the database fails.
pub fn begin_payment(sql: &impl Sql, id: OrderId) -> Result<bool, SqlError> {
    let begun = sql.execute(
        "UPDATE orders SET payment = 'pending', attempts = attempts + 1 \
         WHERE id = ?1 AND state = 'reserved' AND payment IN ('none', 'declined')",
        &[Value::display(&id)],
    )?;
    Ok(begun == 1)
}

/// Writes an order's state and its payment's, once an attempt has ended. False: that attempt is not under way.
///
/// # Errors
/// When the database fails.
pub fn settle(sql: &impl Sql, order: &Order) -> Result<bool, SqlError> {
    let settled = sql.execute(
        "UPDATE orders SET state = ?2, payment = ?3 WHERE id = ?1 AND payment = 'pending' AND attempts = ?4",
        &[
            Value::display(&order.id),
            order.state.name().into(),
            order.payment.name().into(),
            order.attempts.into(),
        ],
    )?;
    Ok(settled == 1)
}

/// Gives a reservation up. False: it is none any more, or is being paid.
///
/// # Errors
/// When the database fails.
pub fn release(sql: &impl Sql, id: OrderId) -> Result<bool, SqlError> {
    let released = sql.execute(
        "UPDATE orders SET state = 'released' WHERE id = ?1 AND state = 'reserved' AND payment <> 'pending'",
        &[Value::display(&id)],
    )?;
    Ok(released == 1)
}
