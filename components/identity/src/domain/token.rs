//! Access tokens (JWT, EdDSA: RFC 7519, RFC 8037) and refresh tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use petwalker_kernel::{AccountId, Millis, Moment, SessionId, UtcMillis};
use petwalker_seal::SealKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::account::{Role, email_key};

/// How long an access token is good for.
pub const ACCESS_TTL: Millis = Millis::from_mins(15);
/// How long a refresh token is good for.
pub const REFRESH_TTL: Millis = Millis::from_mins(30 * 24 * 60);
/// Who signs.
const ISSUER: &str = "petwalker";
/// Longest token that is looked at, bytes.
const TOKEN_BYTES_MAX: usize = 2_048;
/// How far clocks may differ, seconds.
const LEEWAY_S: i64 = 5;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours.
    #[error("the token is malformed")]
    Malformed,
    /// Not signed with our key.
    #[error("the token's signature is not ours")]
    Forged,
    /// Its time is over.
    #[error("the token has ended; refresh it")]
    Expired,
    /// Its time is to come.
    #[error("the token is not valid yet")]
    Early,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub account: AccountId,
    /// As what.
    pub role: Role,
    /// The session that it was issued in; none in tokens of before that was noted.
    pub session: Option<SessionId>,
    /// When it ends.
    pub expires_at: UtcMillis,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    sub: AccountId,
    role: Role,
    #[serde(default)]
    sid: Option<SessionId>,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

/// The key that signs, and its name; and what keyed digests are made with.
pub struct Keys {
    signing: SigningKey,
    kid: String,
    attempts: SealKey,
}

/// Under what attempts are counted: where they are kept, and what tells them from others there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptKey {
    /// The place.
    pub place: u16,
    /// A keyed digest.
    pub digest: [u8; 16],
}

impl Keys {
    /// The keys that grow from a seed of 32 bytes in hexadecimal.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_hex(seed: &str) -> Result<Self, TokenError> {
        let seed = hex::decode(seed.trim()).map_err(|_| TokenError::Malformed)?;
        let seed: [u8; 32] = seed.try_into().map_err(|_| TokenError::Malformed)?;
        let signing = SigningKey::from_bytes(&seed);
        let digest = Sha256::digest(signing.verifying_key().as_bytes());
        let attempts = SealKey::new(seed).derive("petwalker/attempts/v1");
        Ok(Self { signing, kid: BASE64.encode(&digest[..8]), attempts })
    }

    /// Under what attempts of a kind are counted that are made for an e-mail address. Without the application's seed it
    /// tells nothing of the address.
    #[must_use]
    pub fn attempt_key(&self, kind: &str, email: &str) -> AttemptKey {
        let derived = self.attempts.derive(&format!("{kind}/{}", email_key(email)));
        let [high, low, rest @ ..] = derived.as_bytes();
        let mut digest = [0; 16];
        digest.copy_from_slice(&rest[..16]);
        AttemptKey { place: u16::from_be_bytes([*high, *low]), digest }
    }

    /// The public key as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> String {
        let x = BASE64.encode(self.signing.verifying_key().as_bytes());
        let key = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x,
        });
        serde_json::json!({ "keys": [key] }).to_string()
    }

    /// An access token, of the session where there is one.
    #[must_use]
    pub fn issue(
        &self,
        account: AccountId,
        role: Role,
        session: Option<SessionId>,
        now: UtcMillis,
    ) -> String {
        let header = serde_json::json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid });
        let payload = serde_json::json!({
            "iss": ISSUER,
            "sub": account,
            "role": role,
            "sid": session,
            "iat": now.get().div_euclid(1_000),
            "exp": now.plus(ACCESS_TTL).get().div_euclid(1_000),
        });
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(payload.to_string()));
        let signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }

    /// What a token says, once it is found to be ours and of now.
    ///
    /// # Errors
    /// When it is malformed, forged, or not of this time.
    pub fn verify(&self, token: &str, now: UtcMillis) -> Result<Claims, TokenError> {
        let claims = self.verify_signature(token)?;
        claims.check_time(now)?;
        Ok(claims)
    }

    fn verify_signature(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode(header)?;
        if header.alg != "EdDSA" || header.kid != self.kid {
            return Err(TokenError::Forged);
        }
        let signature = BASE64.decode(signature).map_err(|_| TokenError::Malformed)?;
        let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Malformed)?;
        let key: VerifyingKey = self.signing.verifying_key();
        key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::Forged)?;
        let payload: Payload = decode(payload)?;
        if payload.iss != ISSUER {
            return Err(TokenError::Forged);
        }
        let expires_at = UtcMillis::new(payload.exp.saturating_mul(1_000));
        Ok(Claims { account: payload.sub, role: payload.role, session: payload.sid, expires_at })
    }
}

impl Claims {
    /// That the token has not ended, nor begins after now.
    ///
    /// # Errors
    /// When it has or does.
    pub fn check_time(&self, now: UtcMillis) -> Result<(), TokenError> {
        let leeway = Millis::from_secs(LEEWAY_S);
        if now >= self.expires_at {
            return Err(TokenError::Expired);
        }
        // Its whole life is ACCESS_TTL: an end further off than that means a beginning to come.
        if self.expires_at > now.plus(ACCESS_TTL).plus(leeway) {
            return Err(TokenError::Early);
        }
        Ok(())
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// A refresh token or a ticket: 32 random bytes, of which the database keeps the digest only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueToken([u8; 32]);

impl OpaqueToken {
    /// A fresh one.
    pub fn new(moment: &mut Moment<'_>) -> Self {
        Self(moment.bytes())
    }

    /// As the client keeps it.
    #[must_use]
    pub fn encode(&self) -> String {
        BASE64.encode(self.0)
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE64.decode(text).map_err(|_| TokenError::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| TokenError::Malformed)
    }

    /// What the database keeps.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{BASE64, Keys, Role, TokenError};
    use base64::Engine as _;
    use petwalker_kernel::{AccountId, Moment, SeededEntropy, SessionId, UtcMillis};
    use proptest::prelude::*;

    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    fn keys(byte: u8) -> Keys {
        Keys::from_hex(&hex::encode([byte; 32])).expect("keys")
    }

    fn account() -> AccountId {
        AccountId::new(&mut Moment { now: NOW, entropy: &mut SeededEntropy(1) })
    }

    fn session() -> SessionId {
        SessionId::new(&mut Moment { now: NOW, entropy: &mut SeededEntropy(2) })
    }

    #[test]
    fn a_token_is_ours_for_a_quarter_of_an_hour() {
        let token = keys(1).issue(account(), Role::Walker, Some(session()), NOW);
        let verify = |keys: Keys, after_s: i64| {
            keys.verify(&token, UtcMillis::new(NOW.get() + after_s * 1_000)).map(|c| (c.account, c.role))
        };
        assert_eq!(verify(keys(1), 0), Ok((account(), Role::Walker)));
        assert_eq!(verify(keys(1), 899), Ok((account(), Role::Walker)));
        assert_eq!(verify(keys(1), 900), Err(TokenError::Expired));
        assert_eq!(verify(keys(1), -6), Err(TokenError::Early));
        assert_eq!(verify(keys(2), 0), Err(TokenError::Forged));
        assert_eq!(keys(1).verify(&token, NOW).map(|claims| claims.session), Ok(Some(session())));
    }

    #[test]
    fn forgeries_are_refused() {
        let token = keys(1).issue(account(), Role::Walker, Some(session()), NOW);
        let parts: Vec<&str> = token.split('.').collect();
        let payload = String::from_utf8(BASE64.decode(parts[1]).expect("base64")).expect("text");
        let operator = BASE64.encode(payload.replace("walker", "operator"));
        let none = BASE64.encode(r#"{"alg":"none","kid":"x"}"#);
        for (forged, expected) in [
            (format!("{}.{operator}.{}", parts[0], parts[2]), TokenError::Forged),
            (format!("{none}.{}.", parts[1]), TokenError::Forged),
            (format!("{}.{}.", parts[0], parts[1]), TokenError::Malformed),
            ("x".repeat(3_000), TokenError::Malformed),
            (String::new(), TokenError::Malformed),
            ("a.b.c".to_owned(), TokenError::Malformed),
        ] {
            assert_eq!(keys(1).verify(&forged, NOW), Err(expected), "{forged}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "[A-Za-z0-9._-]{0,300}") {
            prop_assert!(keys(1).verify(&text, NOW).is_err());
        }
    }
}
