//! Statements over the marketplace's tables.

use petwalker_kernel::{AccountId, Money, OrderId, ProductId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{CartLine, Order, Product, ProductDetails};

fn read_product(row: &Row) -> Result<Product, SqlError> {
    Ok(Product {
        id: row.parse(0)?,
        partner_id: row.parse(1)?,
        details: ProductDetails {
            sku: row.text(2)?.to_owned(),
            title: row.text(3)?.to_owned(),
            description: row.text(4)?.to_owned(),
            category: row.text(5)?.to_owned(),
            price: Money::new(row.int(6)?, row.parse(7)?),
            stock: row.uint(8)?,
        },
    })
}

/// Adds a product, or replaces the partner's one with the same number; its id.
///
/// # Errors
/// When the database fails.
pub fn put_product(
    sql: &impl Sql,
    id: ProductId,
    partner: AccountId,
    details: &ProductDetails,
) -> Result<ProductId, SqlError> {
    sql.execute(
        "INSERT INTO products (id, partner_id, sku, title, description, category, price_minor, currency, stock) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (partner_id, sku) DO UPDATE SET \
         title = excluded.title, description = excluded.description, category = excluded.category, \
         price_minor = excluded.price_minor, currency = excluded.currency, stock = excluded.stock",
        &[
            Value::display(&id),
            Value::display(&partner),
            details.sku.as_str().into(),
            details.title.as_str().into(),
            details.description.as_str().into(),
            details.category.as_str().into(),
            details.price.minor().into(),
            details.price.currency().as_str().into(),
            details.stock.into(),
        ],
    )?;
    let row = sql.first(
        "SELECT id FROM products WHERE partner_id = ?1 AND sku = ?2",
        &[Value::display(&partner), details.sku.as_str().into()],
    )?;
    row.map_or(Ok(id), |row| row.parse(0))
}

/// The product of an id.
///
/// # Errors
/// When the database fails.
pub fn product(sql: &impl Sql, id: ProductId) -> Result<Option<Product>, SqlError> {
    let row = sql.first(
        "SELECT id, partner_id, sku, title, description, category, price_minor, currency, stock \
         FROM products WHERE id = ?1",
        &[Value::display(&id)],
    )?;
    row.as_ref().map(read_product).transpose()
}

/// Products in the order of title and id, after that pair.
///
/// # Errors
/// When the database fails.
pub fn page(
    sql: &impl Sql,
    category: Option<&str>,
    after: (&str, &str),
    limit: u32,
) -> Result<Vec<Product>, SqlError> {
    let mut parameters = vec![after.0.into(), after.1.into(), limit.into()];
    let statement = if let Some(category) = category {
        parameters.push(category.into());
        "SELECT id, partner_id, sku, title, description, category, price_minor, currency, stock FROM products \
         WHERE category = ?4 AND (title, id) > (?1, ?2) ORDER BY title, id LIMIT ?3"
    } else {
        "SELECT id, partner_id, sku, title, description, category, price_minor, currency, stock FROM products \
         WHERE (title, id) > (?1, ?2) ORDER BY title, id LIMIT ?3"
    };
    sql.query(statement, &parameters)?.iter().map(read_product).collect()
}

/// Takes so many from the stock. False: there are not so many.
///
/// # Errors
/// When the database fails.
pub fn take_stock(sql: &impl Sql, line: CartLine) -> Result<bool, SqlError> {
    let taken = sql.execute(
        "UPDATE products SET stock = stock - ?2 WHERE id = ?1 AND stock >= ?2",
        &[Value::display(&line.product_id), line.quantity.into()],
    )?;
    Ok(taken == 1)
}

/// Puts so many back.
///
/// # Errors
/// When the database fails.
pub fn return_stock(sql: &impl Sql, line: CartLine) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE products SET stock = stock + ?2 WHERE id = ?1",
        &[Value::display(&line.product_id), line.quantity.into()],
    )?;
    Ok(())
}

/// Writes a tutor's cart.
///
/// # Errors
/// When the database fails.
pub fn put_cart(sql: &impl Sql, tutor: AccountId, lines: &[CartLine]) -> Result<(), SqlError> {
    let lines = Value::encode(&lines)?;
    sql.execute(
        "INSERT OR REPLACE INTO carts (tutor_id, lines) VALUES (?1, ?2)",
        &[Value::display(&tutor), lines],
    )?;
    Ok(())
}

/// A tutor's cart.
///
/// # Errors
/// When the database fails.
pub fn cart(sql: &impl Sql, tutor: AccountId) -> Result<Vec<CartLine>, SqlError> {
    let row = sql.first("SELECT lines FROM carts WHERE tutor_id = ?1", &[Value::display(&tutor)])?;
    row.map_or(Ok(Vec::new()), |row| row.decode(0))
}

/// Adds an order.
///
/// # Errors
/// When the database fails.
pub fn insert_order(sql: &impl Sql, order: &Order) -> Result<(), SqlError> {
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
    Ok(())
}

fn read_order(row: &Row) -> Result<Order, SqlError> {
    Ok(Order {
        id: row.parse(0)?,
        tutor_id: row.parse(1)?,
        state: row.parse(2)?,
        lines: row.decode(3)?,
        total: Money::new(row.int(4)?, row.parse(5)?),
        expires_at: UtcMillis::new(row.int(6)?),
    })
}

/// The order of an id.
///
/// # Errors
/// When the database fails.
pub fn order(sql: &impl Sql, id: OrderId) -> Result<Option<Order>, SqlError> {
    let row = sql.first(
        "SELECT id, tutor_id, state, lines, total_minor, currency, expires_at_ms FROM orders WHERE id = ?1",
        &[Value::display(&id)],
    )?;
    row.as_ref().map(read_order).transpose()
}

/// Reservations whose time is over.
///
/// # Errors
/// When the database fails.
pub fn overdue(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<Vec<Order>, SqlError> {
    let rows = sql.query(
        "SELECT id, tutor_id, state, lines, total_minor, currency, expires_at_ms FROM orders \
         WHERE state = 'reserved' AND expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2",
        &[now.into(), limit.into()],
    )?;
    rows.iter().map(read_order).collect()
}

/// Moves a reserved order on. False: it was not reserved any more.
///
/// # Errors
/// When the database fails.
pub fn move_on(sql: &impl Sql, order: &Order) -> Result<bool, SqlError> {
    let moved = sql.execute(
        "UPDATE orders SET state = ?2 WHERE id = ?1 AND state = 'reserved'",
        &[Value::display(&order.id), order.state.name().into()],
    )?;
    Ok(moved == 1)
}

/// Removes a tutor's cart.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, tutor: AccountId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM carts WHERE tutor_id = ?1", &[Value::display(&tutor)])?;
    Ok(())
}
