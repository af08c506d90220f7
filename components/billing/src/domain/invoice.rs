//! Invoices: how a price is shared, and what comes of tips and refunds.

use petwalker_kernel::{AccountId, BasisPoints, InvoiceId, Money, MoneyError, RideId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::transfer::{LedgerAccount, Transfer};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// A stable word.
    pub kind: String,
    /// For a person.
    pub label: String,
    /// How much.
    pub amount: Money,
}

/// Where the payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Nothing is to be paid.
    NothingDue,
    /// Asked for.
    Pending,
    /// Paid.
    Captured,
    /// Refused by the provider.
    Declined,
    /// Given back in full.
    Refunded,
}

/// A ride that is to be invoiced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The ride.
    pub ride_id: RideId,
    /// Who pays.
    pub tutor_id: AccountId,
    /// Who walked.
    pub walker_id: Option<AccountId>,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// Their sum.
    pub total: Money,
    /// The platform's share.
    pub platform_fee: BasisPoints,
}

/// Why a bill, tip or refund is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// The lines do not add up to the total.
    #[error("the lines add up to {0} and the total says {1}")]
    Sum(Money, Money),
    /// A negative total.
    #[error("a total cannot be negative")]
    Negative,
    /// A share above the whole.
    #[error("the platform's share is more than the whole")]
    Share,
    /// More than was paid.
    #[error("at most {0} can be given back")]
    TooMuch(Money),
    /// Not a positive amount in the invoice's currency, or more than allowed.
    #[error("the amount must be positive, in {0}, and at most {1}")]
    Amount(petwalker_kernel::Currency, Money),
    /// Nobody walked.
    #[error("nobody walked this ride")]
    NobodyWalked,
    /// An amount overflows.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// The ride.
    pub ride_id: RideId,
    /// Who pays.
    pub tutor_id: AccountId,
    /// Who walked.
    pub walker_id: Option<AccountId>,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// Their sum.
    pub total: Money,
    /// What the walker gets.
    pub walker_share: Money,
    /// What the platform gets.
    pub platform_fee: Money,
    /// What was given back.
    pub refunded: Money,
    /// What was paid so far.
    pub paid: Money,
    /// Where the payment stands.
    pub payment: PaymentState,
    /// When it was issued.
    pub issued_at: UtcMillis,
}

/// The most that can be tipped, minor units.
const TIP_MINOR_MAX: i64 = 100_000;

impl Invoice {
    /// The invoice of a bill, and the transfers that it makes.
    ///
    /// # Errors
    /// When the bill does not add up.
    pub fn issue(
        id: InvoiceId,
        bill: Bill,
        issued_at: UtcMillis,
    ) -> Result<(Self, Vec<Transfer>), BillError> {
        let currency = bill.total.currency();
        let sum = Money::sum(currency, bill.lines.iter().map(|l| l.amount))?;
        if sum != bill.total {
            return Err(BillError::Sum(sum, bill.total));
        }
        if sum.minor() < 0 {
            return Err(BillError::Negative);
        }
        if bill.platform_fee.0 > 10_000 {
            return Err(BillError::Share);
        }
        let (platform_fee, walker_share) = match bill.walker_id {
            Some(_) => sum.split(bill.platform_fee)?,
            None => (sum, Money::zero(currency)),
        };
        let invoice = Self {
            id,
            ride_id: bill.ride_id,
            tutor_id: bill.tutor_id,
            walker_id: bill.walker_id,
            lines: bill.lines,
            total: sum,
            walker_share,
            platform_fee,
            refunded: Money::zero(currency),
            paid: Money::zero(currency),
            payment: if sum.minor() == 0 { PaymentState::NothingDue } else { PaymentState::Pending },
            issued_at,
        };
        let tutor = LedgerAccount::Tutor(invoice.tutor_id);
        let walker = invoice.walker_id.map(LedgerAccount::Walker);
        let transfers = walker
            .and_then(|walker| Transfer::new(tutor, walker, walker_share, "walk"))
            .into_iter()
            .chain(Transfer::new(tutor, LedgerAccount::Revenue, platform_fee, "platform-fee"))
            .collect();
        Ok((invoice, transfers))
    }

    /// Adds a tip, all of it the walker's.
    ///
    /// # Errors
    /// When nobody walked, or the amount is out of range.
    pub fn tip(mut self, amount: Money) -> Result<(Self, Vec<Transfer>), BillError> {
        let walker = self.walker_id.ok_or(BillError::NobodyWalked)?;
        let currency = self.total.currency();
        if amount.currency() != currency || !(1..=TIP_MINOR_MAX).contains(&amount.minor()) {
            return Err(BillError::Amount(currency, Money::new(TIP_MINOR_MAX, currency)));
        }
        self.total = self.total.checked_add(amount)?;
        self.walker_share = self.walker_share.checked_add(amount)?;
        self.lines.push(InvoiceLine { kind: "tip".to_owned(), label: "tip".to_owned(), amount });
        self.payment = PaymentState::Pending;
        let transfer =
            Transfer::new(LedgerAccount::Tutor(self.tutor_id), LedgerAccount::Walker(walker), amount, "tip");
        Ok((self, transfer.into_iter().collect()))
    }

    /// Takes in a payment.
    ///
    /// # Errors
    /// When an amount overflows.
    pub fn captured(mut self, amount: Money) -> Result<(Self, Vec<Transfer>), BillError> {
        self.paid = self.paid.checked_add(amount)?;
        if self.paid.minor() >= self.total.minor() {
            self.payment = PaymentState::Captured;
        }
        let tutor = LedgerAccount::Tutor(self.tutor_id);
        let transfer = Transfer::new(LedgerAccount::Clearing, tutor, amount, "payment");
        Ok((self, transfer.into_iter().collect()))
    }

    /// Takes in that the provider said no.
    #[must_use]
    pub fn declined(mut self) -> Self {
        self.payment = PaymentState::Declined;
        self
    }

    /// Gives money back: the walker's and the platform's shares go back in proportion.
    ///
    /// # Errors
    /// When it is more than was paid and not given back yet.
    pub fn refund(mut self, amount: Money, reason: &str) -> Result<(Self, Vec<Transfer>), BillError> {
        let left = self.paid.checked_sub(self.refunded)?;
        if amount.currency() != left.currency() || amount.minor() <= 0 {
            return Err(BillError::Amount(left.currency(), left));
        }
        if amount.minor() > left.minor() {
            return Err(BillError::TooMuch(left));
        }
        // Shares of all that is given back so far, less what was shared before: rounding never adds up.
        let gross = self.paid;
        let after = self.refunded.checked_add(amount)?;
        let of_walker = |refunded: Money| {
            self.walker_share
                .fraction(refunded.minor(), gross.minor())
                .map(|m| Money::new(m.minor().min(refunded.minor()), m.currency()))
        };
        let from_walker = of_walker(after)?.checked_sub(of_walker(self.refunded)?)?;
        let from_platform = amount.checked_sub(from_walker)?;
        let tutor = LedgerAccount::Tutor(self.tutor_id);
        let transfers = self
            .walker_id
            .and_then(|walker| Transfer::new(LedgerAccount::Walker(walker), tutor, from_walker, "refund"))
            .into_iter()
            .chain(Transfer::new(LedgerAccount::Revenue, tutor, from_platform, "refund"))
            .chain(Transfer::new(tutor, LedgerAccount::Clearing, amount, "refund-payment"))
            .collect();
        self.refunded = after;
        let minus = Money::zero(amount.currency()).checked_sub(amount)?;
        self.lines.push(InvoiceLine { kind: "refund".to_owned(), label: reason.to_owned(), amount: minus });
        if self.refunded == self.paid {
            self.payment = PaymentState::Refunded;
        }
        Ok((self, transfers))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bill, BillError, Invoice, InvoiceLine, PaymentState};
    use crate::domain::Transfer;
    use petwalker_kernel::{
        AccountId, BasisPoints, Currency, InvoiceId, Moment, Money, RideId, SeededEntropy, UtcMillis,
    };
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn brl(minor: i64) -> Money {
        Money::new(minor, Currency::BRL)
    }

    fn bill(minor: i64, bp: u32, walked: bool) -> (InvoiceId, Bill) {
        let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
        let line = InvoiceLine { kind: "base".into(), label: "base".into(), amount: brl(minor) };
        let bill = Bill {
            ride_id: RideId::new(&mut moment),
            tutor_id: AccountId::new(&mut moment),
            walker_id: walked.then(|| AccountId::new(&mut moment)),
            lines: vec![line],
            total: brl(minor),
            platform_fee: BasisPoints(bp),
        };
        (InvoiceId::new(&mut moment), bill)
    }

    fn balances(transfers: &[Transfer]) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for t in transfers {
            *sums.entry(t.debit.to_string()).or_insert(0) -= t.amount.minor();
            *sums.entry(t.credit.to_string()).or_insert(0) += t.amount.minor();
        }
        sums
    }

    #[test]
    fn a_bill_that_does_not_add_up_is_refused() {
        let (id, good) = bill(100, 2_000, true);
        let wrong = Bill { total: brl(101), ..good.clone() };
        assert_eq!(
            Invoice::issue(id, wrong, UtcMillis::new(0)).err(),
            Some(BillError::Sum(brl(100), brl(101)))
        );
        let (id, negative) = bill(-1, 0, true);
        assert_eq!(Invoice::issue(id, negative, UtcMillis::new(0)).err(), Some(BillError::Negative));
        let share = Bill { platform_fee: BasisPoints(10_001), ..good };
        assert_eq!(Invoice::issue(id, share, UtcMillis::new(0)).err(), Some(BillError::Share));
    }

    #[test]
    fn nothing_due_needs_no_payment() {
        let (id, bill) = bill(0, 2_000, true);
        let (invoice, transfers) = Invoice::issue(id, bill, UtcMillis::new(0)).expect("issued");
        assert_eq!((invoice.payment, transfers.len()), (PaymentState::NothingDue, 0));
    }

    proptest! {
        #[test]
        fn whatever_happens_the_ledger_is_even(
            minor in 1_i64..1_000_000, bp in 0_u32..=10_000, walked in any::<bool>(), tip in 1_i64..5_000,
            refunds in proptest::collection::vec(1_i64..400_000, 0..6),
        ) {
            let (id, bill) = bill(minor, bp, walked);
            let (mut invoice, mut all) = Invoice::issue(id, bill, UtcMillis::new(0)).expect("issued");
            if walked {
                let (tipped, transfers) = invoice.tip(brl(tip)).expect("tipped");
                invoice = tipped;
                all.extend(transfers);
            }
            let due = invoice.total;
            let (paid, transfers) = invoice.captured(due).expect("paid");
            invoice = paid;
            all.extend(transfers);
            let mut given_back = 0;
            for amount in refunds {
                let left = due.minor() - given_back;
                match invoice.clone().refund(brl(amount), "because") {
                    Ok((after, transfers)) => {
                        prop_assert!(amount <= left);
                        given_back += amount;
                        invoice = after;
                        all.extend(transfers);
                    }
                    Err(error) => prop_assert_eq!(error, BillError::TooMuch(brl(left))),
                }
            }
            let sums = balances(&all);
            prop_assert_eq!(sums.values().sum::<i64>(), 0);
            // The tutor owes nothing once all is paid, whatever was given back since.
            prop_assert_eq!(sums.get(&format!("tutor:{}", invoice.tutor_id)).copied().unwrap_or(0), 0);
            // Nobody gives back more than they got.
            for (account, sum) in &sums {
                prop_assert!(*sum >= 0 || account == "platform:clearing", "{} {}", account, sum);
            }
            prop_assert_eq!(-sums["platform:clearing"], due.minor() - given_back);
        }
    }
}
