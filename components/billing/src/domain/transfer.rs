//! Transfers: what one account gives another.
//!
//! The ledger holds nothing but transfers, each of which debits one account and credits another with the same amount.
//! A set of them sums to zero by its shape (the design of TigerBeetle's ledger, on SQL).

use std::fmt;
use std::str::FromStr;

use petwalker_kernel::{AccountId, Money};

/// An account of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerAccount {
    /// What a tutor paid in and has not spent: nothing, but within one set of transfers.
    Tutor(AccountId),
    /// What a walker is owed.
    Walker(AccountId),
    /// What a partner is owed.
    Partner(AccountId),
    /// What the platform earned.
    Revenue,
    /// What the payment provider holds for the platform.
    Clearing,
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tutor(id) => write!(f, "tutor:{id}"),
            Self::Walker(id) => write!(f, "walker:{id}"),
            Self::Partner(id) => write!(f, "partner:{id}"),
            Self::Revenue => f.write_str("platform:revenue"),
            Self::Clearing => f.write_str("platform:clearing"),
        }
    }
}

/// A text that names no account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no account of the ledger")]
pub struct BadLedgerAccount(String);

impl FromStr for LedgerAccount {
    type Err = BadLedgerAccount;

    fn from_str(text: &str) -> Result<Self, BadLedgerAccount> {
        let bad = || BadLedgerAccount(text.to_owned());
        let (kind, id) = text.split_once(':').ok_or_else(bad)?;
        let account = || id.parse().map_err(|_| bad());
        match (kind, id) {
            ("platform", "revenue") => Ok(Self::Revenue),
            ("platform", "clearing") => Ok(Self::Clearing),
            ("tutor", _) => Ok(Self::Tutor(account()?)),
            ("walker", _) => Ok(Self::Walker(account()?)),
            ("partner", _) => Ok(Self::Partner(account()?)),
            _ => Err(bad()),
        }
    }
}

/// One transfer. Always of a positive amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who gives.
    pub debit: LedgerAccount,
    /// Who gets.
    pub credit: LedgerAccount,
    /// How much.
    pub amount: Money,
    /// What for, a stable word.
    pub reason: &'static str,
}

impl Transfer {
    /// A transfer; none for an amount of zero or less.
    #[must_use]
    pub fn new(
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: Money,
        reason: &'static str,
    ) -> Option<Self> {
        (amount.minor() > 0).then_some(Self { debit, credit, amount, reason })
    }
}
