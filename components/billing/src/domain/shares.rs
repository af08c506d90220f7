//! Whose the captured money of an invoice is, and how much of it went back.

use petwalker_kernel::{Money, MoneyError};
use serde::{Deserialize, Serialize};

/// What became of the money of one invoice, in minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Captured for the walker.
    pub walker: i64,
    /// Captured for the platform.
    pub platform: i64,
    /// Given back by the walker.
    pub walker_back: i64,
    /// Given back by the platform.
    pub platform_back: i64,
    /// Asked of the provider and not answered for good.
    pub pending: i64,
    /// Tips asked for, declined ones included.
    pub tips: u32,
    /// Tips that are captured or pending.
    pub tipped: i64,
}

impl Shares {
    /// Takes in a captured amount, of which a part is the walker's.
    pub(super) fn capture(&mut self, amount: Money, walkers: Money) -> Result<(), MoneyError> {
        let platforms = amount.checked_sub(walkers)?;
        self.pending = subtract(self.pending, amount.minor())?;
        self.walker = add(self.walker, walkers.minor())?;
        self.platform = add(self.platform, platforms.minor())?;
        Ok(())
    }

    /// Gives an amount back in the proportion of what each still holds: the walker's part and the platform's. Giving back
    /// everything that is left takes from each exactly what it holds.
    pub(super) fn give_back(&mut self, amount: Money) -> Result<(Money, Money), MoneyError> {
        let walker_left = subtract(self.walker, self.walker_back)?;
        let platform_left = subtract(self.platform, self.platform_back)?;
        let left = add(walker_left, platform_left)?;
        let walkers = Money::new(walker_left, amount.currency()).fraction(amount.minor(), left)?;
        let platforms = amount.checked_sub(walkers)?;
        self.walker_back = add(self.walker_back, walkers.minor())?;
        self.platform_back = add(self.platform_back, platforms.minor())?;
        Ok((walkers, platforms))
    }
}

pub(super) fn add(a: i64, b: i64) -> Result<i64, MoneyError> {
    a.checked_add(b).ok_or(MoneyError::Overflow)
}

pub(super) fn subtract(a: i64, b: i64) -> Result<i64, MoneyError> {
    a.checked_sub(b).ok_or(MoneyError::Overflow)
}
