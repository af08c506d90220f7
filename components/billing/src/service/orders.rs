//! Orders of the shop: each attempt to pay one is a payment.

use petwalker_kernel::{AccountId, Moment, Money, OrderId, PaymentId};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::consume::token;
use super::provider::PaymentProvider;
use super::pump::ask;
use crate::domain::{BillError, LedgerAccount, PaymentState};
use crate::sql::{self, Payment, Standing, Subject};

/// What is to be paid for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCharge {
    /// The order.
    pub order: OrderId,
    /// Which attempt to pay it, from 1: the provider is asked for money once an attempt.
    pub attempt: u32,
    /// Who pays.
    pub tutor: AccountId,
    /// How much.
    pub amount: Money,
    /// What each partner gets of it; the rest is the platform's.
    pub shares: Vec<(AccountId, Money)>,
}

/// Asks for an order's payment, and where it stands then: pending, captured or declined. The same attempt again asks only
/// how it stands, or once more where the provider did not know.
///
/// # Errors
/// When the shares are more than the amount, or the database or the provider fails.
pub fn charge_order(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    provider: &impl PaymentProvider,
    charge: &OrderCharge,
) -> Result<PaymentState, Refusal> {
    let shared = Money::sum(charge.amount.currency(), charge.shares.iter().map(|(_, amount)| *amount));
    let shared = shared.map_err(BillError::from)?;
    if charge.amount.minor() <= 0 || shared.minor() > charge.amount.minor() {
        return Err(BillError::Sum(shared, charge.amount).into());
    }
    let (payment, standing) =
        transaction(sql, |sql| match sql::order_payment(sql, charge.order, charge.attempt)? {
            Some(known) => Ok::<_, Refusal>(known),
            None => Ok((begin(sql, moment, charge)?, Standing::Pending(moment.now))),
        })?;
    if matches!(standing, Standing::Pending(due) if due <= moment.now) {
        ask(sql, moment, provider, &payment)?;
    }
    let now = sql::order_payment(sql, charge.order, charge.attempt)?;
    Ok(match now.map(|(_, standing)| standing) {
        Some(Standing::Captured) => PaymentState::Captured,
        Some(Standing::Declined) => PaymentState::Declined,
        Some(Standing::Pending(_)) | None => PaymentState::Pending,
    })
}

fn begin(sql: &impl Sql, moment: &mut Moment<'_>, charge: &OrderCharge) -> Result<Payment, Refusal> {
    let payment = Payment {
        id: PaymentId::new(moment),
        subject: Subject::Order(charge.order, charge.attempt),
        payer: charge.tutor,
        amount: charge.amount,
        token: token(sql, charge.tutor)?,
        attempts: 0,
    };
    let shares: Vec<(LedgerAccount, Money)> =
        charge.shares.iter().map(|(partner, amount)| (LedgerAccount::Partner(*partner), *amount)).collect();
    sql::insert_payment(sql, &payment, &shares, moment.now)?;
    Ok(payment)
}
