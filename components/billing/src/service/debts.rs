//! What a payment method declined, and how it is made good.

use petwalker_kernel::{AccountId, Moment, Money, PaymentId};
use petwalker_store::{Command, CommandError, Sql, once, transaction};

use super::{Caller, Refusal, Role};
use crate::domain::looks_like_a_card;
use crate::sql::{self, Payment};

/// Debts that are added up, and that a new payment method is tried with, at once.
const RETRIED_MAX: u32 = 100;

/// That the caller owes nothing for rides.
///
/// # Errors
/// When a payment was declined and not made good, or the database fails.
pub fn must_owe_nothing(sql: &impl Sql, caller: Caller) -> Result<(), Refusal> {
    let debts = sql::debts(sql, caller.account, RETRIED_MAX)?;
    let Some(first) = debts.first() else { return Ok(()) };
    // What is owed in another currency is told once this is paid.
    let currency = first.amount.currency();
    let same = debts.iter().map(|debt| debt.amount).filter(|amount| amount.currency() == currency);
    Err(Refusal::PaymentDue(Money::sum(currency, same).map_err(crate::domain::BillError::from)?))
}

/// Writes how the calling tutor pays. What another method declined is asked for again with this one.
///
/// # Errors
/// When the caller is no tutor, or the token is none.
pub fn set_payment_method(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    token: &str,
) -> Result<(), Refusal> {
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    let refuse = |message: &str| Err(Refusal::Invalid { field: "token", message: message.to_owned() });
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(4..=100).contains(&token.len()) || !token.bytes().all(plain) {
        return refuse("must be 4 to 100 letters, digits, '_' and '-'");
    }
    if looks_like_a_card(token) {
        return refuse(
            "looks like a card number, which is not kept here: send the payment provider's token for it",
        );
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                sql::put_method(sql, caller.account, token)?;
                for debt in sql::debts(sql, caller.account, RETRIED_MAX)? {
                    ask_again(sql, moment, &debt, token)?;
                }
                Ok(())
            },
            |()| (),
            // The command's digest leaves the token out: a repeat must name the one that is kept.
            |sql, ()| match sql::method(sql, caller.account)? {
                Some(kept) if kept == token => Ok(()),
                _ => Err(CommandError::KeyReused(command.id.clone()).into()),
            },
        )
    })
}

/// Puts a new payment in the place of a declined one: to the provider, which remembers what it answered, it is another.
fn ask_again(sql: &impl Sql, moment: &mut Moment<'_>, debt: &Payment, token: &str) -> Result<(), Refusal> {
    let sql::Subject::Invoice(invoice_id, _) = debt.subject else { return Ok(()) };
    if !sql::replace(sql, debt.id)? {
        return Ok(());
    }
    let shares = sql::shares(sql, debt)?;
    let payment =
        Payment { id: PaymentId::new(moment), token: token.to_owned(), attempts: 0, ..debt.clone() };
    sql::insert_payment(sql, &payment, &shares, moment.now)?;
    let invoice = sql::invoice_by_id(sql, invoice_id)?.ok_or(Refusal::NotFound)?;
    Ok(sql::update_invoice(sql, &invoice.asked_again(debt.amount)?)?)
}

/// Removes how somebody paid who was erased. Invoices and ledger stay: books are kept, and name nobody but by an id.
/// Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, account: AccountId) -> Result<(), Refusal> {
    transaction(sql, |sql| Ok(sql::forget_method(sql, account)?))
}
