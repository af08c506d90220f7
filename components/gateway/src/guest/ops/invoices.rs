//! Invoices, tips, refunds and balances.

use super::Outcome;
use crate::guest::api::{PaymentMethodBody, RefundBody, TipBody};
use crate::guest::bindings::petwalker::billing::invoices::{self, Balance, Invoice, LedgerCheck};
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::extract::Context;

pub async fn get(caller: Caller, ride_id: String) -> Outcome<Invoice> {
    Ok(invoices::get(caller, ride_id).await?)
}

/// Adds a tip. Its payment is asked for with the next pump.
pub async fn tip(context: Context, ride_id: String, body: TipBody) -> Outcome<Invoice> {
    Ok(invoices::tip(context.command, context.caller, ride_id, body.amount).await?)
}

pub async fn refund(context: Context, ride_id: String, body: RefundBody) -> Outcome<Invoice> {
    Ok(invoices::refund(context.command, context.caller, ride_id, body.amount, body.reason).await?)
}

pub async fn set_payment_method(context: Context, body: PaymentMethodBody) -> Outcome<()> {
    Ok(invoices::set_payment_method(context.command, context.caller, body.token).await?)
}

pub async fn balances(caller: Caller) -> Outcome<Vec<Balance>> {
    Ok(invoices::balances(caller).await?)
}

pub async fn check(caller: Caller) -> Outcome<LedgerCheck> {
    Ok(invoices::check(caller).await?)
}
