//! The marketplace.

use super::Outcome;
use crate::guest::api::{CartBody, CheckoutBody};
use crate::guest::bindings::petwalker::billing::invoices::{self, OrderCharge, PaymentState};
use crate::guest::bindings::petwalker::identity::accounts::{self, Caller};
use crate::guest::bindings::petwalker::marketplace::shop::{
    self, Cart, Order, OrderPayment, OrderState, Paying, Product, ProductDetails, ProductPage, RefusalCode,
};
use crate::guest::extract::Context;
use crate::guest::problem::Problem;

pub async fn put_product(context: Context, details: ProductDetails) -> Outcome<Product> {
    accounts::check_approved(context.caller.clone()).await?;
    Ok(shop::put_product(context.command, context.caller, details).await?)
}

pub async fn browse(category: Option<String>, cursor: Option<String>, limit: u32) -> Outcome<ProductPage> {
    Ok(shop::browse(category, cursor, limit).await?)
}

pub async fn put_cart(context: Context, body: CartBody) -> Outcome<Cart> {
    Ok(shop::put_cart(context.command, context.caller, body.lines).await?)
}

pub async fn get_cart(caller: Caller) -> Outcome<Cart> {
    Ok(shop::get_cart(caller).await?)
}

/// Turns the cart into an order. Who owes something does not shop either.
pub async fn checkout(context: Context, body: CheckoutBody) -> Outcome<Order> {
    invoices::may_book(context.caller.clone()).await?;
    match shop::checkout(context.command, context.caller.clone(), body.total).await {
        Err(refusal) if refusal.code == RefusalCode::PriceChanged => {
            let total = shop::get_cart(context.caller).await?.total;
            Err(Problem { total, ..Problem::from(refusal) })
        }
        outcome => Ok(outcome?),
    }
}

/// Pays a reserved order; it is confirmed once the payment is captured. One that is confirmed stays so, whatever the command.
pub async fn confirm(context: Context, id: String) -> Outcome<Order> {
    let order = settle(shop::pay(context.command, context.caller, id).await?).await?;
    if order.state == OrderState::Reserved && order.payment == OrderPayment::Declined {
        let detail = "the order's payment was declined; set another payment method and confirm it again before its end";
        return Err(Problem::new("payment-declined", detail));
    }
    Ok(order)
}

/// Asks for what is pending of an order, and takes in how that ended.
async fn settle(paying: Paying) -> Outcome<Order> {
    let Paying { order, attempt, tutor_id, shares } = paying;
    if order.payment != OrderPayment::Pending {
        return Ok(order);
    }
    let charge =
        OrderCharge { order_id: order.id.clone(), attempt, tutor_id, amount: order.total.clone(), shares };
    match invoices::charge_order(charge).await? {
        PaymentState::Captured => Ok(shop::settle(order.id, attempt, true).await?),
        PaymentState::Declined => Ok(shop::settle(order.id, attempt, false).await?),
        PaymentState::Pending | PaymentState::NothingDue | PaymentState::Refunded => Ok(order),
    }
}

/// Takes in what became of the payments that were not answered at once. One order that cannot be settled does not keep the
/// others from it.
pub async fn settle_unpaid() -> Outcome<()> {
    let mut settled = Ok(());
    for paying in shop::unpaid().await? {
        settled = settled.and(settle(paying).await.map(drop));
    }
    settled
}

pub async fn get_order(caller: Caller, id: String) -> Outcome<Order> {
    Ok(shop::get_order(caller, id).await?)
}
