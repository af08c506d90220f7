//! Statements over the marketplace's tables.

mod orders;

use petwalker_kernel::{AccountId, Money, ProductId};
use petwalker_store::{Row, Sql, SqlError, Value};

pub use self::orders::{
    begin_payment, insert_order, open_lines, order, overdue, release, settle, shares, unpaid,
};
use crate::domain::{CartLine, Product, ProductDetails};

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

/// Products of partners who are listed, in the order of title and id, after that pair.
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
         WHERE category = ?4 AND (title, id) > (?1, ?2) \
         AND partner_id NOT IN (SELECT partner_id FROM unlisted_partners) ORDER BY title, id LIMIT ?3"
    } else {
        "SELECT id, partner_id, sku, title, description, category, price_minor, currency, stock FROM products \
         WHERE (title, id) > (?1, ?2) \
         AND partner_id NOT IN (SELECT partner_id FROM unlisted_partners) ORDER BY title, id LIMIT ?3"
    };
    sql.query(statement, &parameters)?.iter().map(read_product).collect()
}

/// Takes so many from the stock. False: there are not so many, or its partner is not listed.
///
/// # Errors
/// When the database fails.
pub fn take_stock(sql: &impl Sql, line: CartLine) -> Result<bool, SqlError> {
    let taken = sql.execute(
        "UPDATE products SET stock = stock - ?2 WHERE id = ?1 AND stock >= ?2 \
         AND partner_id NOT IN (SELECT partner_id FROM unlisted_partners)",
        &[Value::display(&line.product_id), line.quantity.into()],
    )?;
    Ok(taken == 1)
}

/// Notes whether a partner's products are shown and sold. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn set_listed(sql: &impl Sql, partner: AccountId, listed: bool) -> Result<(), SqlError> {
    let statement = if listed {
        "DELETE FROM unlisted_partners WHERE partner_id = ?1"
    } else {
        "INSERT OR IGNORE INTO unlisted_partners (partner_id) VALUES (?1)"
    };
    sql.execute(statement, &[Value::display(&partner)]).map(drop)
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

/// How many products a partner has other than the one with this number.
///
/// # Errors
/// When the database fails.
pub fn other_products(sql: &impl Sql, partner: AccountId, sku: &str) -> Result<u32, SqlError> {
    let row = sql.first(
        "SELECT count(*) FROM products WHERE partner_id = ?1 AND sku <> ?2",
        &[Value::display(&partner), sku.into()],
    )?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// Removes an account's cart, and notes that its products, where it has some, are neither shown nor sold.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), SqlError> {
    let account = [Value::display(&account)];
    sql.execute("DELETE FROM carts WHERE tutor_id = ?1", &account)?;
    sql.execute(
        "INSERT OR IGNORE INTO unlisted_partners (partner_id) \
         SELECT partner_id FROM products WHERE partner_id = ?1 LIMIT 1",
        &account,
    )
    .map(drop)
}
