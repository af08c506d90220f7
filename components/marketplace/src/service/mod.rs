//! Browsing, filling a cart, checking out, paying.

mod orders;

use petwalker_kernel::{AccountId, Moment, Money, ProductId};
use petwalker_store::{Command, CommandError, Sql, SqlError, once, transaction};

pub use self::orders::{Paying, checkout, forget, get_order, pay, release_expired, settle, unpaid};
use crate::domain::{CartLine, PRODUCTS_MAX, Product, ProductDetails, check_cart, check_product};
use crate::sql;

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{0} {1}")]
    Invalid(&'static str, String),
    /// No such product or order, or not the caller's.
    #[error("there is no such {0}, or it is not yours")]
    NotFound(&'static str),
    /// Less is in stock than was asked for.
    #[error("'{0}' is not in stock in that number")]
    OutOfStock(String),
    /// The cart costs something else than the tutor agreed to.
    #[error("the cart costs {0} now; look at it again and check out with that total")]
    PriceChanged(Money),
    /// There are as many as there may be.
    #[error("{0}")]
    LimitReached(String),
    /// The reservation has ended.
    #[error("the reservation has ended; check out again")]
    Gone,
    /// The command id was used for something else, or is none.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Command(CommandError::Sql(error))
    }
}

impl From<(&'static str, &'static str)> for Refusal {
    fn from((field, message): (&'static str, &'static str)) -> Self {
        Self::Invalid(field, message.to_owned())
    }
}

/// Adds or replaces a product of the calling partner.
///
/// # Errors
/// When a detail is out of its range.
pub fn put_product(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    partner: AccountId,
    details: ProductDetails,
) -> Result<Product, Refusal> {
    check_product(&details)?;
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                if sql::other_products(sql, partner, &details.sku)? >= PRODUCTS_MAX {
                    return Err(Refusal::LimitReached(format!("a partner may have {PRODUCTS_MAX} products")));
                }
                let id = sql::put_product(sql, ProductId::new(moment), partner, &details)?;
                Ok(Product { id, partner_id: partner, details })
            },
            |product| product.id,
            |sql, id| sql::product(sql, id)?.ok_or(Refusal::NotFound("product")),
        )
    })
}

/// Shows and sells a partner's products, or neither.
///
/// # Errors
/// When the database fails.
pub fn set_listed(sql: &impl Sql, partner: AccountId, listed: bool) -> Result<(), Refusal> {
    Ok(sql::set_listed(sql, partner, listed)?)
}

/// A page of products, and where the next begins.
///
/// # Errors
/// When limit or cursor are out of range.
pub fn browse(
    sql: &impl Sql,
    category: Option<&str>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<(Vec<Product>, Option<String>), Refusal> {
    if !(1..=100).contains(&limit) {
        return Err(("limit", "must be 1 to 100").into());
    }
    let after = match cursor {
        None => ("", ""),
        // The id comes first, for it has no space in it.
        Some(cursor) => {
            let (id, title) = cursor.split_once(' ').ok_or(("cursor", "must be one that a page gave"))?;
            (title, id)
        }
    };
    let mut page = sql::page(sql, category, after, limit + 1)?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let next = page.last().filter(|_| more).map(|p| format!("{} {}", p.id, p.details.title));
    Ok((page, next))
}

/// Replaces a tutor's cart.
///
/// # Errors
/// When a line is out of its range or names no product.
pub fn put_cart(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    tutor: AccountId,
    lines: &[CartLine],
) -> Result<(Vec<CartLine>, Option<Money>), Refusal> {
    check_cart(lines)?;
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let total = total(sql, lines)?;
                sql::put_cart(sql, tutor, lines)?;
                Ok((lines.to_vec(), total))
            },
            |(_, total)| *total,
            |_, total| Ok((lines.to_vec(), total)),
        )
    })
}

/// A tutor's cart and what it costs now.
///
/// # Errors
/// When a product is gone or the database fails.
pub fn get_cart(sql: &impl Sql, tutor: AccountId) -> Result<(Vec<CartLine>, Option<Money>), Refusal> {
    let lines = sql::cart(sql, tutor)?;
    let total = total(sql, &lines)?;
    Ok((lines, total))
}

fn total(sql: &impl Sql, lines: &[CartLine]) -> Result<Option<Money>, Refusal> {
    let mut sum: Option<Money> = None;
    for line in lines {
        let product = sql::product(sql, line.product_id)?.ok_or(Refusal::NotFound("product"))?;
        let invalid = |e: petwalker_kernel::MoneyError| Refusal::Invalid("lines", e.to_string());
        let cost = product.details.price.checked_mul(line.quantity.into()).map_err(invalid)?;
        sum = Some(sum.unwrap_or(Money::zero(cost.currency())).checked_add(cost).map_err(invalid)?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests;
