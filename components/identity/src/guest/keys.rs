//! The node's keys and codes, from its variables.

use std::sync::{Mutex, OnceLock, PoisonError};

use petwalker_kernel::UtcMillis;
use petwalker_seal::SealKey;
use petwalker_store::SqlError;

use crate::domain::{Approval, Claims, Keys, TokenError};
use crate::service::Refusal;

const SEED_IS_WRONG: &str = "variable 'token_seed' is not 64 hexadecimal digits";

async fn variable(name: &str) -> Result<String, Refusal> {
    spin_sdk::variables::get(name)
        .await
        .map_err(|e| SqlError::Unavailable(format!("variable '{name}': {e}")).into())
}

/// The key that grows from the application's seed, to derive others from. It is the same on every edge and after a
/// restoration.
pub(super) async fn application_key() -> Result<SealKey, Refusal> {
    let seed = hex::decode(variable("token_seed").await?.trim()).ok();
    let key = seed.and_then(|seed| SealKey::from_slice(&seed));
    Ok(key.ok_or_else(|| SqlError::Unavailable(SEED_IS_WRONG.to_owned()))?)
}

/// The code by which operators sign up.
pub(super) async fn operator_code() -> Result<String, Refusal> {
    variable("operator_code").await
}

/// Who approves walkers and partners.
pub(super) async fn approval() -> Result<Approval, Refusal> {
    Ok(variable("approval").await?.parse().map_err(SqlError::Unavailable)?)
}

static KEYS: OnceLock<Keys> = OnceLock::new();

/// The signing keys. Derived once an instance: they are the same for its whole life.
pub(super) async fn keys() -> Result<&'static Keys, Refusal> {
    if let Some(keys) = KEYS.get() {
        return Ok(keys);
    }
    let seed = variable("token_seed").await?;
    let keys = Keys::from_hex(&seed).map_err(|_| SqlError::Unavailable(SEED_IS_WRONG.to_owned()))?;
    Ok(KEYS.get_or_init(|| keys))
}

/// Tokens whose signature was found to be ours, so that the same token is not verified anew with every request. Only
/// the outcome of a pure computation is kept; the time is checked each time.
static KNOWN: Mutex<Vec<(Box<str>, Claims)>> = Mutex::new(Vec::new());
/// Tokens kept; the oldest makes room.
const KNOWN_MAX: usize = 256;

/// What a token says, once it is found to be ours and of now.
pub(super) fn verify(token: &str, now: UtcMillis) -> Result<Claims, Refusal> {
    let known = KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .find(|(t, _)| **t == *token)
        .map(|(_, c)| *c);
    if let Some(claims) = known {
        claims.check_time(now)?;
        return Ok(claims);
    }
    let keys = KEYS.get().ok_or_else(|| SqlError::Unavailable("the keys were not loaded".to_owned()))?;
    let claims = keys.verify(token, now).map_err(|e: TokenError| Refusal::from(e))?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KNOWN_MAX {
        known.remove(0);
    }
    known.push((token.into(), claims));
    Ok(claims)
}
