//! Issuing, paying, tipping and giving back.

mod consume;
mod debts;
mod money_back;
mod orders;
mod provider;
mod pump;
mod read;

use petwalker_kernel::{AccountId, Money};
use petwalker_store::{CommandError, OffsetError, SqlError};

use crate::domain::BillError;

pub use consume::{CONSUMER, consume, offset};
pub use debts::{forget, must_owe_nothing, set_payment_method};
pub use money_back::{refund, tip};
pub use orders::{OrderCharge, charge_order};
pub use provider::{PaymentProvider, TestProvider};
pub use pump::{PumpReport, pump};
pub use read::{LedgerCheck, balances, check, get};

#[cfg(test)]
mod tests;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Pays.
    Tutor,
    /// Is paid.
    Walker,
    /// Runs the service.
    Operator,
    /// Sells in the marketplace.
    Partner,
}

/// An authenticated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub account: AccountId,
    /// As what.
    pub role: Role,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is allowed.
        message: String,
    },
    /// No such invoice, or not the caller's.
    #[error("there is no invoice for this ride, or it is not yours")]
    NotFound,
    /// The role may not do this.
    #[error("your role may not do this")]
    Forbidden,
    /// The account owes what its payment method declined.
    #[error(
        "{0} is due: its payment was declined; set another payment method, with which it is asked for again"
    )]
    PaymentDue(Money),
    /// The rules of invoices say no.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// An event is missing.
    #[error(transparent)]
    Offset(OffsetError),
    /// The command id was used for something else, or is none.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Command(CommandError::Sql(error))
    }
}

impl From<OffsetError> for Refusal {
    fn from(error: OffsetError) -> Self {
        match error {
            OffsetError::Sql(error) => error.into(),
            gap @ OffsetError::Gap { .. } => Self::Offset(gap),
        }
    }
}
