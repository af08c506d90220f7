//! Asking the provider for what is due.

use petwalker_kernel::{Moment, Money, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::provider::PaymentProvider;
use crate::domain::{Attempt, BillError, LedgerAccount, Transfer, next_attempt};
use crate::sql::{self, Payment, Subject};

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
        let attempt = ask(sql, moment, provider, &payment)?;
        report.asked += 1;
        report.ended += u32::from(!matches!(attempt, Attempt::Again(_)));
    }
    report.next_due = sql::next_due(sql)?;
    Ok(report)
}

/// Asks the provider for one payment, and takes in what it answers.
pub(super) fn ask(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    provider: &impl PaymentProvider,
    payment: &Payment,
) -> Result<Attempt, Refusal> {
    let answer = provider.charge(payment, moment.now)?;
    let attempt = next_attempt(answer, payment.attempts + 1, moment.now);
    transaction(sql, |sql| take_in(sql, moment, payment, attempt))?;
    Ok(attempt)
}

/// Takes in what became of a payment, inside the caller's transaction: what is captured is posted, and nothing else.
fn take_in(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    payment: &Payment,
    attempt: Attempt,
) -> Result<(), Refusal> {
    if !sql::settle_payment(sql, payment.id, attempt)? || matches!(attempt, Attempt::Again(_)) {
        return Ok(());
    }
    match payment.subject {
        Subject::Invoice(id, purpose) => {
            let invoice = sql::invoice_by_id(sql, id)?.ok_or(Refusal::NotFound)?;
            let invoice = if attempt == Attempt::Captured {
                let walkers = sql::shares(sql, payment)?.into_iter().map(|(_, amount)| amount);
                let walkers = Money::sum(payment.amount.currency(), walkers).map_err(BillError::from)?;
                let (invoice, transfers) = invoice.captured(purpose, payment.amount, walkers)?;
                sql::post(sql, moment, &id, &transfers)?;
                invoice
            } else {
                invoice.declined(purpose, payment.amount)?
            };
            Ok(sql::update_invoice(sql, &invoice)?)
        }
        Subject::Order(id, _) if attempt == Attempt::Captured => {
            let transfers = order_transfers(payment, &sql::shares(sql, payment)?)?;
            Ok(sql::post(sql, moment, &id, &transfers)?)
        }
        Subject::Order(..) => Ok(()),
    }
}

/// An order's money: in from the tutor, on to the partners, and what is left to the platform.
fn order_transfers(payment: &Payment, shares: &[(LedgerAccount, Money)]) -> Result<Vec<Transfer>, BillError> {
    let tutor = LedgerAccount::Tutor(payment.payer);
    let shared = Money::sum(payment.amount.currency(), shares.iter().map(|(_, amount)| *amount))?;
    let rest = payment.amount.checked_sub(shared)?;
    let partners =
        shares.iter().filter_map(|(partner, amount)| Transfer::new(tutor, *partner, *amount, "order"));
    Ok(Transfer::new(LedgerAccount::Clearing, tutor, payment.amount, "payment")
        .into_iter()
        .chain(partners)
        .chain(Transfer::new(tutor, LedgerAccount::Revenue, rest, "platform-fee"))
        .collect())
}
