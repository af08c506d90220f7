//! What people do with an invoice: tip and refund.

use petwalker_kernel::{Moment, Money, RideId};
use petwalker_store::{Command, Sql, once, transaction};

use super::consume::ask_for;
use super::debts::must_owe_nothing;
use super::{Caller, Refusal, Role};
use crate::domain::{Invoice, Purpose};
use crate::sql;

/// Adds a tip of the invoice's tutor. It is the walker's once it is captured.
///
/// # Errors
/// When the invoice is not the caller's, the amount is out of range, the ride has its tips, or the caller owes something.
pub fn tip(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    ride: RideId,
    amount: Money,
) -> Result<Invoice, Refusal> {
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let invoice = invoice_of(sql, ride, caller)?;
                must_owe_nothing(sql, caller)?;
                let invoice = invoice.tip(amount)?;
                sql::update_invoice(sql, &invoice)?;
                ask_for(sql, moment, &invoice, Purpose::Tip, amount, amount)?;
                Ok(invoice)
            },
            |_| (),
            |sql, ()| invoice_of(sql, ride, caller),
        )
    })
}

/// The invoice of a ride of the calling tutor's.
fn invoice_of(sql: &impl Sql, ride: RideId, caller: Caller) -> Result<Invoice, Refusal> {
    sql::invoice(sql, ride)?.filter(|invoice| invoice.tutor_id == caller.account).ok_or(Refusal::NotFound)
}

/// Gives money back.
///
/// # Errors
/// When the caller is no operator, or it is more than was paid.
pub fn refund(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    ride: RideId,
    amount: Money,
    reason: &str,
) -> Result<Invoice, Refusal> {
    if caller.role != Role::Operator {
        return Err(Refusal::Forbidden);
    }
    if reason.is_empty() || reason.chars().count() > 200 {
        return Err(Refusal::Invalid {
            field: "reason",
            message: "must have 1 to 200 characters".to_owned(),
        });
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let invoice = sql::invoice(sql, ride)?.ok_or(Refusal::NotFound)?;
                let (invoice, transfers) = invoice.refund(amount, reason)?;
                sql::post(sql, moment, &invoice.id, &transfers)?;
                sql::update_invoice(sql, &invoice)?;
                Ok(invoice)
            },
            |_| (),
            |sql, ()| sql::invoice(sql, ride)?.ok_or(Refusal::NotFound),
        )
    })
}
