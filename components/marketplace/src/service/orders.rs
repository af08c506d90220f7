//! Orders: the stock is set aside at check-out, and bought once the payment is captured.
//!
//! Who moves the money is not known here: an attempt to pay begins with [`pay`] and ends with [`settle`], and those that a crash
//! left between are told by [`unpaid`].

use std::collections::BTreeMap;

use petwalker_kernel::{AccountId, Moment, Money, OrderId};
use petwalker_store::{Command, Sql, once, transaction};

use super::{Refusal, get_cart};
use crate::domain::{
    ATTEMPTS_MAX, CartLine, ORDERS_OPEN_MAX, Order, OrderPayment, OrderState, RESERVED_FOR, UNITS_OPEN_MAX,
    units,
};
use crate::sql;

/// Reservations returned in one go.
const OVERDUE_MAX: u32 = 100;
/// Orders told at once whose payment is under way.
const UNPAID_MAX: u32 = 50;

/// An order with what each partner gets of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying {
    /// The order. Its payment is to be asked for where it is pending, under the number of its attempts.
    pub order: Order,
    /// What each partner gets.
    pub shares: Vec<(AccountId, Money)>,
}

/// Turns the cart into an order and sets its stock aside: all of it or nothing. `agreed` is the total that the tutor has seen.
///
/// # Errors
/// When the cart is empty, costs something else, or something is not in stock, or the tutor has too much set aside.
pub fn checkout(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    tutor: AccountId,
    agreed: Money,
) -> Result<Order, Refusal> {
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let (lines, total) = get_cart(sql, tutor)?;
                let total = total.ok_or(("cart", "is empty"))?;
                if total != agreed {
                    return Err(Refusal::PriceChanged(total));
                }
                within_limits(sql, tutor, &lines)?;
                let shares = shares(sql, &lines)?;
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
                    payment: OrderPayment::None,
                    attempts: 0,
                };
                sql::insert_order(sql, &order, &shares)?;
                sql::put_cart(sql, tutor, &[])?;
                Ok(order)
            },
            |order| order.id,
            |sql, id| get_order(sql, tutor, id),
        )
    })
}

fn within_limits(sql: &impl Sql, tutor: AccountId, lines: &[CartLine]) -> Result<(), Refusal> {
    let open = sql::open_lines(sql, tutor)?;
    let aside = open.iter().fold(units(lines), |sum, lines| sum.saturating_add(units(lines)));
    if open.len() >= ORDERS_OPEN_MAX || aside > UNITS_OPEN_MAX {
        return Err(Refusal::LimitReached(format!(
            "{ORDERS_OPEN_MAX} orders and {UNITS_OPEN_MAX} units may be set aside at once; confirm an order, or wait for its end"
        )));
    }
    Ok(())
}

/// What each partner gets of some lines at today's prices.
fn shares(sql: &impl Sql, lines: &[CartLine]) -> Result<Vec<(AccountId, Money)>, Refusal> {
    let invalid = |e: petwalker_kernel::MoneyError| Refusal::Invalid("lines", e.to_string());
    let mut shares: BTreeMap<AccountId, Money> = BTreeMap::new();
    for line in lines {
        let product = sql::product(sql, line.product_id)?.ok_or(Refusal::NotFound("product"))?;
        let cost = product.details.price.checked_mul(line.quantity.into()).map_err(invalid)?;
        let share = shares.entry(product.partner_id).or_insert(Money::zero(cost.currency()));
        *share = share.checked_add(cost).map_err(invalid)?;
    }
    Ok(shares.into_iter().collect())
}

/// Begins to pay a reserved order. Its payment is pending then, and its stock stays set aside until that has ended; one that is
/// confirmed is given as it is, whatever the command.
///
/// # Errors
/// When it is not the caller's, its time is over, or it was tried too often.
pub fn pay(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    tutor: AccountId,
    id: OrderId,
) -> Result<Paying, Refusal> {
    transaction(sql, |sql| {
        let known = get_order(sql, tutor, id)?;
        let order = if known.state == OrderState::Confirmed {
            known
        } else {
            let again = |sql: &_, ()| get_order(sql, tutor, id);
            once(sql, command, moment.now, |sql| begin(sql, moment, known), |_| (), again)?
        };
        let shares = sql::shares(sql, &order)?;
        Ok(Paying { order, shares })
    })
}

fn begin(sql: &impl Sql, moment: &Moment<'_>, order: Order) -> Result<Order, Refusal> {
    if order.payment == OrderPayment::Pending {
        return Ok(order);
    }
    if order.state == OrderState::Released || order.expires_at <= moment.now {
        return Err(Refusal::Gone);
    }
    if order.attempts >= ATTEMPTS_MAX {
        return Err(Refusal::LimitReached(format!("an order may be tried to be paid {ATTEMPTS_MAX} times")));
    }
    if !sql::begin_payment(sql, order.id)? {
        return Err(Refusal::Gone);
    }
    Ok(Order { payment: OrderPayment::Pending, attempts: order.attempts + 1, ..order })
}

/// Takes in how an attempt to pay ended: with the money the order is confirmed, also after its time; without it stays reserved
/// until its end. An attempt that is not under way changes nothing. The order as it is then.
///
/// # Errors
/// When there is no such order, or the database fails.
pub fn settle(sql: &impl Sql, id: OrderId, attempt: u32, captured: bool) -> Result<Order, Refusal> {
    transaction(sql, |sql| {
        let order = sql::order(sql, id)?.ok_or(Refusal::NotFound("order"))?;
        if order.attempts != attempt || order.payment != OrderPayment::Pending {
            return Ok(order);
        }
        let settled = if captured {
            Order { state: OrderState::Confirmed, payment: OrderPayment::Captured, ..order }
        } else {
            Order { payment: OrderPayment::Declined, ..order }
        };
        if sql::settle(sql, &settled)? { Ok(settled) } else { Err(Refusal::NotFound("order")) }
    })
}

/// Orders whose payment is under way, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn unpaid(sql: &impl Sql) -> Result<Vec<Paying>, Refusal> {
    let orders = sql::unpaid(sql, UNPAID_MAX)?;
    orders
        .into_iter()
        .map(|order| {
            let shares = sql::shares(sql, &order)?;
            Ok(Paying { order, shares })
        })
        .collect()
}

/// A tutor's order.
///
/// # Errors
/// When there is none of that id, or it is another's.
pub fn get_order(sql: &impl Sql, tutor: AccountId, id: OrderId) -> Result<Order, Refusal> {
    sql::order(sql, id)?.filter(|o| o.tutor_id == tutor).ok_or(Refusal::NotFound("order"))
}

/// Returns the stock of reservations whose time is over and whose payment is not under way; how many there were.
///
/// # Errors
/// When the database fails.
pub fn release_expired(sql: &impl Sql, moment: &Moment<'_>) -> Result<u32, Refusal> {
    let mut released = 0;
    for order in sql::overdue(sql, moment.now, OVERDUE_MAX)? {
        released += transaction(sql, |sql| {
            if !sql::release(sql, order.id)? {
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

/// Removes the cart of somebody who was erased, and has a partner sell no more; orders stay, as books do. Repeating it changes
/// nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), Refusal> {
    transaction(sql, |sql| Ok(sql::forget(sql, account)?))
}
