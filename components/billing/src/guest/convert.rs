//! Between the bindings' types and the domain's.

use petwalker_kernel::{BasisPoints, Money, UtcMillis};
use petwalker_store::{Command, CommandError};

use super::bindings::exports::petwalker::billing::invoices as wit;
use crate::domain::{Bill, BillError, Invoice, InvoiceLine, PaymentState};
use crate::service::{Caller, OrderCharge, Refusal, Role};

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn invalid(field: &'static str, message: impl ToString) -> Refusal {
    Refusal::Invalid { field, message: message.to_string() }
}

pub(super) fn caller(caller: &wit::Caller) -> Result<Caller, Refusal> {
    let role = match caller.role {
        wit::CallerRole::Tutor => Role::Tutor,
        wit::CallerRole::Walker => Role::Walker,
        wit::CallerRole::Operator => Role::Operator,
        wit::CallerRole::Partner => Role::Partner,
    };
    let account = caller.account_id.parse().map_err(|e| invalid("caller.account_id", e))?;
    Ok(Caller { account, role })
}

pub(super) fn command(command: wit::Command, caller: Caller) -> Command {
    Command { actor: caller.account.to_string(), id: command.id, fingerprint: command.fingerprint }
}

pub(super) fn money(amount: &wit::Money) -> Result<Money, Refusal> {
    let currency = amount.currency.parse().map_err(|e| invalid("amount.currency", e))?;
    Ok(Money::new(amount.minor, currency))
}

pub(super) fn money_to_wit(amount: Money) -> wit::Money {
    wit::Money { minor: amount.minor(), currency: amount.currency().to_string() }
}

pub(super) fn instant(at: UtcMillis) -> wit::Instant {
    wit::Instant { epoch_ms: at.get() }
}

pub(super) fn bill(bill: wit::Bill) -> Result<Bill, Refusal> {
    let walker_id = bill.walker_id.map(|id| id.parse().map_err(|e| invalid("walker_id", e))).transpose()?;
    let line = |line: wit::InvoiceLine| {
        Ok(InvoiceLine { kind: line.kind, label: line.label, amount: money(&line.amount)? })
    };
    Ok(Bill {
        ride_id: bill.ride_id.parse().map_err(|e| invalid("ride_id", e))?,
        tutor_id: bill.tutor_id.parse().map_err(|e| invalid("tutor_id", e))?,
        walker_id,
        lines: bill.lines.into_iter().map(line).collect::<Result<_, Refusal>>()?,
        total: money(&bill.total)?,
        platform_fee: BasisPoints(bill.platform_fee_bp),
    })
}

pub(super) fn charge(charge: &wit::OrderCharge) -> Result<OrderCharge, Refusal> {
    let share = |share: &wit::PartnerShare| {
        let partner = share.partner_id.parse().map_err(|e| invalid("shares.partner_id", e))?;
        Ok((partner, money(&share.amount)?))
    };
    Ok(OrderCharge {
        order: charge.order_id.parse().map_err(|e| invalid("order_id", e))?,
        attempt: charge.attempt,
        tutor: charge.tutor_id.parse().map_err(|e| invalid("tutor_id", e))?,
        amount: money(&charge.amount)?,
        shares: charge.shares.iter().map(share).collect::<Result<_, Refusal>>()?,
    })
}

pub(super) const fn payment_state(state: PaymentState) -> wit::PaymentState {
    match state {
        PaymentState::NothingDue => wit::PaymentState::NothingDue,
        PaymentState::Pending => wit::PaymentState::Pending,
        PaymentState::Captured => wit::PaymentState::Captured,
        PaymentState::Declined => wit::PaymentState::Declined,
        PaymentState::Refunded => wit::PaymentState::Refunded,
    }
}

pub(super) fn invoice(invoice: Invoice) -> wit::Invoice {
    let line = |line: InvoiceLine| wit::InvoiceLine {
        kind: line.kind,
        label: line.label,
        amount: money_to_wit(line.amount),
    };
    wit::Invoice {
        id: invoice.id.to_string(),
        ride_id: invoice.ride_id.to_string(),
        tutor_id: invoice.tutor_id.to_string(),
        walker_id: invoice.walker_id.map(|id| id.to_string()),
        lines: invoice.lines.into_iter().map(line).collect(),
        total: money_to_wit(invoice.total),
        walker_share: money_to_wit(invoice.walker_share),
        platform_fee: money_to_wit(invoice.platform_fee),
        refunded: money_to_wit(invoice.refunded),
        payment: payment_state(invoice.payment),
        issued_at: instant(invoice.issued_at),
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let code = match &refusal {
            Refusal::Bill(BillError::TooMuch(_) | BillError::TipsTooMuch(_)) => Code::TooMuch,
            Refusal::Bill(BillError::TipsMax) => Code::LimitReached,
            Refusal::PaymentDue(_) => Code::PaymentDue,
            Refusal::Invalid { .. }
            | Refusal::Bill(_)
            | Refusal::Offset(_)
            | Refusal::Command(CommandError::BadId) => Code::Invalid,
            Refusal::NotFound => Code::NotFound,
            Refusal::Forbidden => Code::Forbidden,
            Refusal::Command(CommandError::KeyReused(_)) => Code::KeyReused,
            Refusal::Command(CommandError::QuotaReached { .. }) => Code::QuotaReached,
            Refusal::Command(CommandError::Sql(_)) => Code::Unavailable,
        };
        let field = match &refusal {
            Refusal::Invalid { field, .. } => Some((*field).to_owned()),
            Refusal::Bill(BillError::Amount(..) | BillError::TipsTooMuch(_)) => Some("amount".to_owned()),
            _ => None,
        };
        Self { code, message: refusal.to_string(), field }
    }
}
