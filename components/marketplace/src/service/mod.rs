//! Browsing, filling a cart, checking out.

use petwalker_kernel::{AccountId, Moment, Money, OrderId, ProductId};
use petwalker_store::{Command, CommandError, Sql, SqlError, once, transaction};

use crate::domain::{
    CartLine, Order, OrderState, Product, ProductDetails, RESERVED_FOR, check_cart, check_product,
};
use crate::sql;

/// Reservations returned in one go.
const OVERDUE_MAX: u32 = 100;

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
                let id = sql::put_product(sql, ProductId::new(moment), partner, &details)?;
                Ok(Product { id, partner_id: partner, details })
            },
            |product| product.id,
            |sql, id| sql::product(sql, id)?.ok_or(Refusal::NotFound("product")),
        )
    })
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

/// Turns the cart into an order and sets its stock aside: all of it or nothing.
///
/// # Errors
/// When the cart is empty or something is not in stock.
pub fn checkout(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    tutor: AccountId,
) -> Result<Order, Refusal> {
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let (lines, total) = get_cart(sql, tutor)?;
                let total = total.ok_or(("cart", "is empty"))?;
                for line in &lines {
                    if !sql::take_stock(sql, *line)? {
                        return Err(Refusal::OutOfStock(line.product_id.to_string()));
                    }
                }
                let order = Order {
                    id: OrderId::new(moment),
                    tutor_id: tutor,
                    state: OrderState::Reserved,
                    lines,
                    total,
                    expires_at: moment.now.plus(RESERVED_FOR),
                };
                sql::insert_order(sql, &order)?;
                sql::put_cart(sql, tutor, &[])?;
                Ok(order)
            },
            |order| order.id,
            |sql, id| get_order(sql, tutor, id),
        )
    })
}

/// Confirms a reserved order.
///
/// # Errors
/// When it is not the caller's, or its time is over.
pub fn confirm(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    tutor: AccountId,
    id: OrderId,
) -> Result<Order, Refusal> {
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let order = get_order(sql, tutor, id)?;
                if order.expires_at <= moment.now {
                    return Err(Refusal::Gone);
                }
                let order = Order { state: OrderState::Confirmed, ..order };
                if sql::move_on(sql, &order)? { Ok(order) } else { Err(Refusal::Gone) }
            },
            |_| (),
            |sql, ()| get_order(sql, tutor, id),
        )
    })
}

/// A tutor's order.
///
/// # Errors
/// When there is none of that id, or it is another's.
pub fn get_order(sql: &impl Sql, tutor: AccountId, id: OrderId) -> Result<Order, Refusal> {
    sql::order(sql, id)?.filter(|o| o.tutor_id == tutor).ok_or(Refusal::NotFound("order"))
}

/// Removes the cart of somebody who was erased; orders stay, as books do. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, tutor: AccountId) -> Result<(), Refusal> {
    Ok(sql::forget(sql, tutor)?)
}

/// Returns the stock of reservations whose time is over; how many there were.
///
/// # Errors
/// When the database fails.
pub fn release_expired(sql: &impl Sql, moment: &Moment<'_>) -> Result<u32, Refusal> {
    let mut released = 0;
    for order in sql::overdue(sql, moment.now, OVERDUE_MAX)? {
        released += transaction(sql, |sql| {
            let order = Order { state: OrderState::Released, ..order };
            if !sql::move_on(sql, &order)? {
                return Ok::<_, Refusal>(0);
            }
            for line in &order.lines {
                sql::return_stock(sql, *line)?;
            }
            Ok(1)
        })?;
    }
    Ok(released)
}

#[cfg(test)]
mod tests {
    use super::{Refusal, browse, checkout, confirm, put_cart, put_product, release_expired};
    use crate::domain::{CartLine, OrderState, ProductDetails, RESERVED_FOR};
    use crate::sql;
    use petwalker_kernel::{AccountId, Currency, Moment, Money, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");

    fn command(id: u32) -> Command {
        Command { actor: "a".into(), id: format!("c{id}"), fingerprint: vec![] }
    }

    fn details(sku: &str, stock: u32) -> ProductDetails {
        ProductDetails {
            sku: sku.into(),
            title: format!("Leash {sku}"),
            description: String::new(),
            category: "leash".into(),
            price: Money::new(2_500, Currency::BRL),
            stock,
        }
    }

    #[test]
    fn stock_is_never_oversold_and_comes_back() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let mut entropy = SeededEntropy(1);
        let mut moment = Moment { now: UtcMillis::new(1_000), entropy: &mut entropy };
        let partner = AccountId::new(&mut moment);
        let product = put_product(&sql, &mut moment, &command(0), partner, details("a", 5)).expect("added");
        let stock = || sql::product(&sql, product.id).expect("read").expect("there").details.stock;
        let line = |quantity| [CartLine { product_id: product.id, quantity }];

        let mut orders = Vec::new();
        for n in 0..3 {
            let tutor = AccountId::new(&mut moment);
            put_cart(&sql, &moment, &command(10 + n), tutor, &line(2)).expect("a cart");
            orders.push((tutor, checkout(&sql, &mut moment, &command(20 + n), tutor)));
        }
        assert_eq!(stock(), 1);
        assert!(matches!(orders[2].1, Err(Refusal::OutOfStock(_))));
        let (tutor, first) = (orders[0].0, orders[0].1.clone().expect("reserved"));
        assert_eq!(first.total, Money::new(5_000, Currency::BRL));
        assert_eq!(checkout(&sql, &mut moment, &command(20), tutor), Ok(first.clone()));
        let confirmed = confirm(&sql, &moment, &command(30), tutor, first.id).expect("confirmed");
        assert_eq!(confirmed.state, OrderState::Confirmed);

        moment.now = moment.now.plus(RESERVED_FOR);
        assert_eq!(release_expired(&sql, &moment), Ok(1));
        assert_eq!(release_expired(&sql, &moment), Ok(0));
        assert_eq!(stock(), 3);
        let second = orders[1].1.clone().expect("reserved");
        assert_eq!(confirm(&sql, &moment, &command(31), orders[1].0, second.id), Err(Refusal::Gone));
    }

    #[test]
    fn pages_follow_one_another() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let moment = &mut Moment { now: UtcMillis::new(1_000), entropy: &mut SeededEntropy(1) };
        let partner = AccountId::new(moment);
        for n in 0..7 {
            put_product(&sql, moment, &command(n), partner, details(&n.to_string(), 1)).expect("added");
        }
        let (mut cursor, mut titles) = (None, Vec::new());
        loop {
            let (page, next) = browse(&sql, Some("leash"), cursor.as_deref(), 3).expect("a page");
            titles.extend(page.into_iter().map(|p| p.details.title));
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(titles, (0..7).map(|n| format!("Leash {n}")).collect::<Vec<_>>());
        assert!(browse(&sql, None, Some("nonsense"), 3).is_err());
        assert!(browse(&sql, None, None, 0).is_err());
    }
}
