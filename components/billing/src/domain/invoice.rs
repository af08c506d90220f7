//! Invoices: how a price is shared, and what comes of tips and refunds.
//!
//! Nothing is posted to the ledger before it is captured: nobody is credited with money that nobody paid. What is captured is
//! shared at that moment, and a refund takes from each what it still holds of it, so that all ways of giving everything back
//! end with nothing left at anybody.

use petwalker_kernel::{AccountId, BasisPoints, InvoiceId, Money, MoneyError, RideId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::shares::{Shares, add, subtract};
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
    /// More tips than one ride may have.
    #[error("a ride may be tipped {TIPS_MAX} times")]
    TipsMax,
    /// The tips of a ride would be more than they may be together.
    #[error("the tips of this ride may be {0} together")]
    TipsTooMuch(Money),
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
    /// Their sum, refunds left out.
    pub total: Money,
    /// What the walker gets once all is paid.
    pub walker_share: Money,
    /// What the platform gets once all is paid.
    pub platform_fee: Money,
    /// What was given back.
    pub refunded: Money,
    /// What was paid so far.
    pub paid: Money,
    /// Where the payment stands.
    pub payment: PaymentState,
    /// When it was issued.
    pub issued_at: UtcMillis,
    /// Whose the captured money is; none where it was written before shares were kept.
    #[serde(default)]
    shares: Option<Shares>,
}

/// The most that one tip can be, minor units.
const TIP_MINOR_MAX: i64 = 100_000;
/// Tips of one ride, declined ones included.
pub const TIPS_MAX: u32 = 10;
/// The tips of one ride may be so many times its price together.
const TIPS_PER_PRICE: i64 = 3;
/// Or this much, where that is more, minor units: a cheap ride may be tipped well.
const TIPS_MINOR_MIN: i64 = 5_000;
/// What a tip's line is called.
const TIP: &str = "tip";

/// What a payment of an invoice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The ride.
    Ride,
    /// A tip.
    Tip,
}

impl Invoice {
    /// The invoice of a bill. Its total is to be asked for.
    ///
    /// # Errors
    /// When the bill does not add up.
    pub fn issue(id: InvoiceId, bill: Bill, issued_at: UtcMillis) -> Result<Self, BillError> {
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
            payment: PaymentState::Pending,
            issued_at,
            shares: None,
        };
        Ok(invoice.with(Shares { pending: sum.minor(), ..Shares::default() }))
    }

    /// Adds a tip, all of it the walker's, which is to be asked for. It counts once it is captured.
    ///
    /// # Errors
    /// When nobody walked, the amount is out of range, or the ride has its tips.
    pub fn tip(mut self, amount: Money) -> Result<Self, BillError> {
        self.walker_id.ok_or(BillError::NobodyWalked)?;
        let currency = self.total.currency();
        if amount.currency() != currency || !(1..=TIP_MINOR_MAX).contains(&amount.minor()) {
            return Err(BillError::Amount(currency, Money::new(TIP_MINOR_MAX, currency)));
        }
        let mut shares = self.shares();
        if shares.tips >= TIPS_MAX {
            return Err(BillError::TipsMax);
        }
        shares.tips += 1;
        shares.tipped = add(shares.tipped, amount.minor())?;
        let price = subtract(add(self.total.minor(), amount.minor())?, shares.tipped)?;
        let most = price.saturating_mul(TIPS_PER_PRICE).max(TIPS_MINOR_MIN);
        if shares.tipped > most {
            return Err(BillError::TipsTooMuch(Money::new(most, currency)));
        }
        shares.pending = add(shares.pending, amount.minor())?;
        self.total = self.total.checked_add(amount)?;
        self.walker_share = self.walker_share.checked_add(amount)?;
        self.lines.push(InvoiceLine { kind: TIP.to_owned(), label: TIP.to_owned(), amount });
        Ok(self.with(shares))
    }

    /// Takes in a payment, of which a part is the walker's and the rest the platform's.
    ///
    /// # Errors
    /// When an amount overflows.
    pub fn captured(
        mut self,
        purpose: Purpose,
        amount: Money,
        walkers: Money,
    ) -> Result<(Self, Vec<Transfer>), BillError> {
        let mut shares = self.shares();
        shares.capture(amount, walkers)?;
        self.paid = self.paid.checked_add(amount)?;
        let tutor = LedgerAccount::Tutor(self.tutor_id);
        let reason = match purpose {
            Purpose::Ride => "walk",
            Purpose::Tip => TIP,
        };
        let walker = self.walker_id.map(LedgerAccount::Walker);
        let transfers = Transfer::new(LedgerAccount::Clearing, tutor, amount, "payment")
            .into_iter()
            .chain(walker.and_then(|walker| Transfer::new(tutor, walker, walkers, reason)))
            .chain(Transfer::new(tutor, LedgerAccount::Revenue, amount.checked_sub(walkers)?, "platform-fee"))
            .collect();
        Ok((self.with(shares), transfers))
    }

    /// Takes in that the provider said no. What was for the ride stays due; a tip is off the invoice again.
    ///
    /// # Errors
    /// When an amount overflows.
    pub fn declined(mut self, purpose: Purpose, amount: Money) -> Result<Self, BillError> {
        let mut shares = self.shares();
        shares.pending = subtract(shares.pending, amount.minor())?;
        let same = |line: &InvoiceLine| line.kind == TIP && line.amount == amount;
        if purpose == Purpose::Tip
            && let Some(index) = self.lines.iter().rposition(same)
        {
            self.lines.remove(index);
            self.total = self.total.checked_sub(amount)?;
            self.walker_share = self.walker_share.checked_sub(amount)?;
            shares.tipped = subtract(shares.tipped, amount.minor())?;
        }
        Ok(self.with(shares))
    }

    /// A declined amount is asked for once more.
    ///
    /// # Errors
    /// When an amount overflows.
    pub fn asked_again(self, amount: Money) -> Result<Self, BillError> {
        let mut shares = self.shares();
        shares.pending = add(shares.pending, amount.minor())?;
        Ok(self.with(shares))
    }

    /// Gives money back: from the walker and the platform, in the proportion of what each still holds of it.
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
        let mut shares = self.shares();
        let (from_walker, from_platform) = shares.give_back(amount)?;
        let tutor = LedgerAccount::Tutor(self.tutor_id);
        let transfers = self
            .walker_id
            .and_then(|walker| Transfer::new(LedgerAccount::Walker(walker), tutor, from_walker, "refund"))
            .into_iter()
            .chain(Transfer::new(LedgerAccount::Revenue, tutor, from_platform, "refund"))
            .chain(Transfer::new(tutor, LedgerAccount::Clearing, amount, "refund-payment"))
            .collect();
        self.refunded = self.refunded.checked_add(amount)?;
        let minus = Money::zero(amount.currency()).checked_sub(amount)?;
        self.lines.push(InvoiceLine { kind: "refund".to_owned(), label: reason.to_owned(), amount: minus });
        Ok((self.with(shares), transfers))
    }

    /// The invoice with what became of its money, and the payment's state that follows.
    fn with(mut self, shares: Shares) -> Self {
        self.payment = if shares.pending > 0 {
            PaymentState::Pending
        } else if self.paid.minor() < self.total.minor() {
            PaymentState::Declined
        } else if self.paid.minor() == 0 {
            PaymentState::NothingDue
        } else if self.refunded == self.paid {
            PaymentState::Refunded
        } else {
            PaymentState::Captured
        };
        self.shares = Some(shares);
        self
    }

    /// What became of the money. Where it was not kept it is worked out: then the ride was paid first, and refunds took from
    /// the walker in the proportion of all that was charged.
    fn shares(&self) -> Shares {
        if let Some(shares) = self.shares {
            return shares;
        }
        let (total, paid) = (self.total.minor(), self.paid.minor());
        let tips = self.lines.iter().filter(|line| line.kind == TIP);
        let unpaid = total.saturating_sub(paid);
        let walker =
            if paid == 0 { 0 } else { self.walker_share.minor().saturating_sub(unpaid).clamp(0, paid) };
        let back = self.walker_share.fraction(self.refunded.minor(), paid.max(1)).map_or(0, Money::minor);
        let walker_back = back.min(self.refunded.minor()).min(walker);
        Shares {
            walker,
            platform: paid - walker,
            walker_back,
            platform_back: self.refunded.minor() - walker_back,
            pending: if self.payment == PaymentState::Pending { unpaid } else { 0 },
            tips: u32::try_from(tips.clone().count()).unwrap_or(u32::MAX),
            tipped: tips.map(|line| line.amount.minor()).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
