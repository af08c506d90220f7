//! Asking the provider for what is due.

use petwalker_kernel::{Moment, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::provider::PaymentProvider;
use crate::domain::{Attempt, next_attempt};
use crate::sql::{self, Payment};

/// Payments asked for in one pump.
const BATCH_MAX: u32 = 50;

/// What a pump did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PumpReport {
    /// Payments asked for.
    pub asked: u32,
    /// Payments that ended.
    pub ended: u32,
    /// When the next is due.
    pub next_due: Option<UtcMillis>,
}

/// Asks for every payment that is due. A crash between the provider's answer and its effect asks again, which is safe.
///
/// # Errors
/// When the database or the provider fails.
pub fn pump(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    provider: &impl PaymentProvider,
) -> Result<PumpReport, Refusal> {
    let mut report = PumpReport::default();
    for payment in sql::due_payments(sql, moment.now, BATCH_MAX)? {
        let answer = provider.charge(&payment, moment.now)?;
        let attempt = next_attempt(answer, payment.attempts + 1, moment.now);
        take_in(sql, moment, &payment, attempt)?;
        report.asked += 1;
        report.ended += u32::from(!matches!(attempt, Attempt::Again(_)));
    }
    report.next_due = sql::next_due(sql)?;
    Ok(report)
}

fn take_in(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    payment: &Payment,
    attempt: Attempt,
) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        if !sql::settle_payment(sql, payment.id, attempt)? {
            return Ok(());
        }
        let invoice = sql::invoice_by_id(sql, payment.invoice_id)?.ok_or(Refusal::NotFound)?;
        let invoice = match attempt {
            Attempt::Again(_) => return Ok(()),
            Attempt::Declined => invoice.declined(),
            Attempt::Captured => {
                let (invoice, transfers) = invoice.captured(payment.amount)?;
                sql::post(sql, moment, invoice.id, &transfers)?;
                invoice
            }
        };
        Ok(sql::update_invoice(sql, &invoice)?)
    })
}
