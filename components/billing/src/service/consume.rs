//! Taking in events: the invoice and the offset in one transaction.

use petwalker_kernel::{AccountId, InvoiceId, Moment, Money, PaymentId};
use petwalker_store::{Sql, consume_events, get_offset};

use super::Refusal;
use super::provider::TestProvider;
use crate::domain::{Bill, Invoice, LedgerAccount, PaymentState, Purpose};
use crate::sql::{self, Payment, Subject};

/// The name under which offsets are kept.
pub const CONSUMER: &str = "billing";

/// How far a stream was consumed.
///
/// # Errors
/// When the database fails.
pub fn offset(sql: &impl Sql, stream: &str) -> Result<u64, Refusal> {
    Ok(get_offset(sql, CONSUMER, stream)?)
}

/// Consumes a run of events, first to last, the last of which may bear a bill: issues its invoice. None: it was consumed
/// before, or bears no bill.
///
/// # Errors
/// When an event is missing before it, the bill does not add up, or the database fails.
pub fn consume(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    stream: &str,
    run: (u64, u64),
    bill: Option<Bill>,
) -> Result<Option<Invoice>, Refusal> {
    consume_events(sql, CONSUMER, stream, run, |sql| bill.map(|bill| issue(sql, moment, bill)).transpose())
}

fn issue(sql: &impl Sql, moment: &mut Moment<'_>, bill: Bill) -> Result<Invoice, Refusal> {
    let invoice = Invoice::issue(InvoiceId::new(moment), bill, moment.now)?;
    sql::insert_invoice(sql, &invoice)?;
    if invoice.payment == PaymentState::Pending {
        ask_for(sql, moment, &invoice, Purpose::Ride, invoice.total, invoice.walker_share)?;
    }
    Ok(invoice)
}

/// Makes a payment that the next pump asks the provider for; `walkers` is the walker's share of it.
pub(super) fn ask_for(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    invoice: &Invoice,
    purpose: Purpose,
    amount: Money,
    walkers: Money,
) -> Result<(), Refusal> {
    let payment = Payment {
        id: PaymentId::new(moment),
        subject: Subject::Invoice(invoice.id, purpose),
        payer: invoice.tutor_id,
        amount,
        token: token(sql, invoice.tutor_id)?,
        attempts: 0,
    };
    let walker = invoice.walker_id.map(|walker| (LedgerAccount::Walker(walker), walkers));
    Ok(sql::insert_payment(sql, &payment, walker.as_slice(), moment.now)?)
}

/// What an account pays with.
pub(super) fn token(sql: &impl Sql, account: AccountId) -> Result<String, Refusal> {
    Ok(sql::method(sql, account)?.unwrap_or_else(|| TestProvider::DEFAULT_TOKEN.to_owned()))
}
