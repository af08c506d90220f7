//! Signing up and in, and keeping profiles.

mod approval;
mod attempts;
mod life;
mod password;
mod profiles;
mod purge;
mod sessions;
mod sign_up;
mod tickets;

use petwalker_kernel::AccountId;
use petwalker_store::{CommandError, SqlError};

use crate::domain::{Invalid, PasswordError, Role, TokenError};

pub use approval::{awaiting_approval, check_approved, set_approval};
pub use attempts::sign_up_within_budget;
pub use life::{erase, erasures_after};
pub use password::{change_password, end_sessions};
pub use profiles::{Rating, add_pet, get_pets, get_walker, list_pets, put_walker, rate_walker};
pub use purge::purge;
pub use sessions::{SessionTokens, check_session, get, log_in, log_out, refresh};
pub use sign_up::{SignUp, SignUpTerms, seal_key, sign_up};
pub use tickets::{issue_ticket, redeem_ticket};

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
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such account, pet or walker, or not the caller's.
    #[error("there is no such {0}, or it is not yours")]
    NotFound(&'static str),
    /// The role may not do this.
    #[error("your role may not do this")]
    Forbidden,
    /// No operator has approved the account.
    #[error("an operator has to approve your account first")]
    NotApproved,
    /// The address is taken.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// Wrong address or password.
    #[error("wrong e-mail address or password")]
    BadCredentials,
    /// Too many attempts failed, or a session was refreshed too often.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooManyRequests {
        /// Seconds until the next attempt is looked at.
        retry_after_s: u32,
    },
    /// The token is not accepted.
    #[error(transparent)]
    BadToken(#[from] TokenError),
    /// The session was ended.
    #[error("the session was ended; log in again")]
    SessionEnded,
    /// A refresh token came a second time.
    #[error("the refresh token was used before; the session was ended, log in again")]
    TokenReused,
    /// There are as many as there may be.
    #[error("{0}")]
    LimitReached(String),
    /// The command id was used for something else, or is none.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stored hash cannot be read, or none be made.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Command(CommandError::Sql(error))
    }
}
