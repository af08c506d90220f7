//! Accounts.

use petwalker_kernel::{AccountId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::{Invalid, has_length, invalid};

/// What an account may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Owns pets.
    Tutor,
    /// Walks them.
    Walker,
    /// Runs the service.
    Operator,
    /// Sells in the marketplace.
    Partner,
}

impl Role {
    /// Whether an operator has to approve an account of this role before it may act in it.
    #[must_use]
    pub const fn needs_approval(self) -> bool {
        matches!(self, Self::Walker | Self::Partner)
    }

    /// The role's name, as the database and the token write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tutor => "tutor",
            Self::Walker => "walker",
            Self::Operator => "operator",
            Self::Partner => "partner",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Tutor, Self::Walker, Self::Operator, Self::Partner]
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| format!("'{name}' is no role"))
    }
}

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// As given.
    pub email: String,
    /// To show.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Whether it may act in its role: walkers and partners once an operator has approved them.
    pub approved: bool,
}

/// Who approves walkers and partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// An operator, one by one.
    ByOperators,
    /// Nobody: signing up is enough.
    Unneeded,
}

impl std::str::FromStr for Approval {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "operators" => Ok(Self::ByOperators),
            "unneeded" => Ok(Self::Unneeded),
            _ => Err(format!("variable 'approval' is '{name}', not 'operators' or 'unneeded'")),
        }
    }
}

/// What an e-mail address is compared by.
#[must_use]
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Checks what a person signs up with.
///
/// # Errors
/// When an input is out of its range.
pub fn check_sign_up(email: &str, password: &str, display_name: &str) -> Result<(), Invalid> {
    let (local, domain) = email.rsplit_once('@').unwrap_or_default();
    let plausible = !local.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !email.contains(char::is_whitespace);
    if !plausible || !has_length(email, 3..=254) {
        return invalid("email", "must be an address such as ana@example.com");
    }
    check_password("password", password)?;
    if !has_length(display_name, 1..=80) || display_name.trim().is_empty() {
        return invalid("display_name", "must have 1 to 80 characters");
    }
    Ok(())
}

/// Checks a new password, given in that field.
///
/// # Errors
/// When it is too short or too long.
pub fn check_password(field: &'static str, password: &str) -> Result<(), Invalid> {
    if !(10..=128).contains(&password.chars().count()) {
        return invalid(field, "must have 10 to 128 characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_sign_up;

    #[test]
    fn inputs_are_named_where_they_are_bad() {
        let good = ("ana@example.com", "correct horse", "Ana");
        for (email, password, name, expected) in [
            (good.0, good.1, good.2, None),
            ("ana", good.1, good.2, Some("email")),
            ("ana@", good.1, good.2, Some("email")),
            ("@example.com", good.1, good.2, Some("email")),
            ("a b@example.com", good.1, good.2, Some("email")),
            ("ana@example", good.1, good.2, Some("email")),
            (good.0, "short", good.2, Some("password")),
            (good.0, good.1, " ", Some("display_name")),
            (good.0, good.1, "A\u{0}", Some("display_name")),
        ] {
            assert_eq!(
                check_sign_up(email, password, name).err().map(|e| e.field),
                expected,
                "{email:?} {name:?}"
            );
        }
    }
}
