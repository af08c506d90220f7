//! The rules of accounts, tokens, pets and walkers.

mod account;
mod attempts;
mod password;
mod pet;
mod token;
mod walker;

pub use account::{Account, Approval, Role, check_password, check_sign_up, email_key};
pub use attempts::{
    AttemptBudget, Attempts, EMAIL_BYTES_MAX, LOG_INS, PASSWORD_BYTES_MAX, REFRESH_WINDOW, REFRESHES_MAX,
    SIGN_UPS, seconds,
};
pub use password::{PasswordError, hash_password, verify_password};
pub use pet::{Pet, PetDetails, PetSize, Species};
pub use token::{ACCESS_TTL, AttemptKey, Claims, Keys, OpaqueToken, REFRESH_TTL, TokenError};
pub use walker::{Availability, WalkerDetails, WalkerProfile};

/// An input that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// The input.
    pub field: &'static str,
    /// What is allowed.
    pub message: String,
}

/// Refuses an input.
pub(crate) fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { field, message: message.into() })
}

/// Whether a text has so many characters, none of them a control character.
pub(crate) fn has_length(text: &str, range: std::ops::RangeInclusive<usize>) -> bool {
    range.contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
