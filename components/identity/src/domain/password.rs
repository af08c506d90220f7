//! Passwords: argon2id, as OWASP recommends (19 MiB, two passes, one lane).

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// A hash that cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct PasswordError(String);

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|e| PasswordError(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash of a password with this salt, as a PHC string.
///
/// # Errors
/// When memory or parameters do not suffice.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, PasswordError> {
    let hash = hasher()?
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|e| PasswordError(e.to_string()))?;
    Ok(hash.to_string())
}

/// Whether a password is the one a hash was made of.
///
/// # Errors
/// When the stored hash cannot be read.
pub fn verify_password(password: &str, hash: &str) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(hash).map_err(|e| PasswordError(e.to_string()))?;
    Ok(hasher()?.verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::{hash_password, verify_password};

    #[test]
    fn a_hash_knows_its_password() {
        let hash = hash_password("correct horse", [7; 16]).expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(verify_password("correct horse", &hash), Ok(true));
        assert_eq!(verify_password("battery staple", &hash), Ok(false));
        assert!(verify_password("x", "not a hash").is_err());
    }
}
