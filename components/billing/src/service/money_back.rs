//! What people do with an invoice: tip, refund, and say how they pay.

use petwalker_kernel::{AccountId, Moment, Money, RideId};
use petwalker_store::{Command, CommandError, Sql, once, transaction};

use super::consume::ask_for;
use super::{Caller, Refusal, Role};
use crate::domain::Invoice;
use crate::sql;

/// Adds a tip of the invoice's tutor.
///
/// # Errors
/// When the invoice is not the caller's, or the amount is out of range.
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
                let (invoice, transfers) = invoice.tip(amount)?;
                sql::post(sql, moment, invoice.id, &transfers)?;
                sql::update_invoice(sql, &invoice)?;
                ask_for(sql, moment, &invoice, amount)?;
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
                sql::post(sql, moment, invoice.id, &transfers)?;
                sql::update_invoice(sql, &invoice)?;
                Ok(invoice)
            },
            |_| (),
            |sql, ()| sql::invoice(sql, ride)?.ok_or(Refusal::NotFound),
        )
    })
}

/// Writes how the calling tutor pays.
///
/// # Errors
/// When the caller is no tutor, or the token is none.
pub fn set_payment_method(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    caller: Caller,
    token: &str,
) -> Result<(), Refusal> {
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(4..=100).contains(&token.len()) || !token.bytes().all(plain) {
        let message = "must be 4 to 100 letters, digits, '_' and '-'".to_owned();
        return Err(Refusal::Invalid { field: "token", message });
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| Ok(sql::put_method(sql, caller.account, token)?),
            |()| (),
            // The command's digest leaves the token out: a repeat must name the one that is kept.
            |sql, ()| match sql::method(sql, caller.account)? {
                Some(kept) if kept == token => Ok(()),
                _ => Err(CommandError::KeyReused(command.id.clone()).into()),
            },
        )
    })
}

/// Removes how somebody paid who was erased. Invoices and ledger stay: books are kept, and name nobody but by an id.
/// Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), Refusal> {
    transaction(sql, |sql| Ok(sql::forget_method(sql, account)?))
}
