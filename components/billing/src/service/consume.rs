//! Taking in events: the invoice and the offset in one transaction.

use petwalker_kernel::{InvoiceId, Moment, PaymentId};
use petwalker_store::{Sql, consume_events, get_offset};

use super::Refusal;
use super::provider::TestProvider;
use crate::domain::{Bill, Invoice, PaymentState};
use crate::sql::{self, Payment};

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
    let (invoice, transfers) = Invoice::issue(InvoiceId::new(moment), bill, moment.now)?;
    sql::insert_invoice(sql, &invoice)?;
    sql::post(sql, moment, invoice.id, &transfers)?;
    if invoice.payment == PaymentState::Pending {
        ask_for(sql, moment, &invoice, invoice.total)?;
    }
    Ok(invoice)
}

/// Makes a payment that the next pump asks the provider for.
pub(super) fn ask_for(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    invoice: &Invoice,
    amount: petwalker_kernel::Money,
) -> Result<(), Refusal> {
    let token = sql::method(sql, invoice.tutor_id)?.unwrap_or_else(|| TestProvider::DEFAULT_TOKEN.to_owned());
    let payment = Payment { id: PaymentId::new(moment), invoice_id: invoice.id, amount, token, attempts: 0 };
    Ok(sql::insert_payment(sql, &payment, moment.now)?)
}
