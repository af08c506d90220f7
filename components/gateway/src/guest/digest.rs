//! What a command asked for, as a digest that tells nothing to whoever lacks its key.
//!
//! Commands and the events that come of them keep the digest, so that the same name with another request is noticed. A
//! plain digest of a PIN, a place or a password is as good as the thing itself: few guesses find it. So it is an HMAC with the
//! caller's own key, which ends with the person, or with the application's where there is no account yet; and what opens
//! a door is left out of it altogether.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use http::HeaderValue;
use petwalker_seal::SealKey;
use serde_json::Value;

use super::bindings::petwalker::identity::accounts::Caller;
use super::ops::{self, Outcome};
use super::problem::Problem;

/// What the keys are derived for.
const PURPOSE: &str = "petwalker/command-digest/v1";
const LOG: &str = "petwalker/log-account/v1";
/// Accounts whose name in the log is kept; the oldest makes room.
const KNOWN_MAX: usize = 64;
/// The variable that the application's key grows from.
const SEED_VARIABLE: &str = "token_seed";
/// Names of fields that are left out wherever they stand: passwords, PINs, and what is as good as either.
const SECRETS: [&str; 9] = [
    "current",
    "new",
    "operatorCode",
    "operator_code",
    "password",
    "pin",
    "refreshToken",
    "refresh_token",
    "token",
];

/// The digest of what a caller asked for: the operation, such as a method and a path, and its input.
pub fn of_caller(caller: &Caller, operation: &[&str], input: &Value) -> Outcome<Vec<u8>> {
    let key = ops::seal_key(&caller.account_id)?.and_then(|bytes| SealKey::from_slice(&bytes));
    let key = key.ok_or_else(|| Problem::new("forbidden", "this account was erased"))?;
    Ok(digest(&key, operation, input))
}

/// The digest of what somebody asked for who has no account yet.
pub async fn of_anybody(operation: &[&str], input: &Value) -> Outcome<Vec<u8>> {
    Ok(digest(&application_key().await?, operation, input))
}

/// What stands for an account in the node's log: the same for each of its calls.
pub async fn opaque(caller: &Caller) -> Outcome<HeaderValue> {
    static KEY: OnceLock<SealKey> = OnceLock::new();
    let key = match KEY.get() {
        Some(key) => key,
        None => {
            let derived = application_key().await?.derive(LOG);
            KEY.get_or_init(|| derived)
        }
    };
    if let Some((_, opaque)) = known().iter().find(|(account, _)| *account == caller.account_id) {
        return Ok(opaque.clone());
    }
    let mac = key.mac(&[caller.account_id.as_bytes()]);
    let opaque =
        HeaderValue::try_from(hex::encode(&mac[..8])).map_err(|e| Problem::new("internal", e.to_string()))?;
    let mut known = known();
    if known.len() >= KNOWN_MAX {
        known.remove(0);
    }
    known.push((caller.account_id.clone(), opaque.clone()));
    Ok(opaque)
}

/// Accounts whose name in the log was worked out by this instance: the outcome of a pure computation.
fn known() -> MutexGuard<'static, Vec<(String, HeaderValue)>> {
    static KNOWN: Mutex<Vec<(String, HeaderValue)>> = Mutex::new(Vec::new());
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key that grows from the application's seed, to derive others from. It is the same on every edge and after a
/// restoration.
async fn application_key() -> Outcome<SealKey> {
    let seed = spin_sdk::variables::get(SEED_VARIABLE).await.unwrap_or_default();
    let key = hex::decode(seed.trim()).ok().and_then(|bytes| SealKey::from_slice(&bytes));
    key.ok_or_else(|| {
        Problem::new("internal", format!("variable '{SEED_VARIABLE}' is not 64 hexadecimal digits"))
    })
}

fn digest(key: &SealKey, operation: &[&str], input: &Value) -> Vec<u8> {
    let mut said = Vec::new();
    say(input, &mut said);
    let mut parts: Vec<&[u8]> = operation.iter().map(|part| part.as_bytes()).collect();
    parts.push(&said);
    key.derive(PURPOSE).mac(&parts).to_vec()
}

/// Writes a value so that no two values are written alike: fields in the order of their names, secrets left out.
fn say(value: &Value, out: &mut Vec<u8>) {
    let text = |kind: u8, text: &str, out: &mut Vec<u8>| {
        out.push(kind);
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    match value {
        // A field that is null says the same as one that is not there.
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.extend_from_slice(if *value { b"T" } else { b"F" }),
        Value::Number(number) => text(b'n', &number.to_string(), out),
        Value::String(string) => text(b's', string, out),
        Value::Array(values) => {
            out.push(b'[');
            for value in values {
                say(value, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .filter(|(name, value)| !value.is_null() && !SECRETS.contains(&name.as_str()))
                .collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, value) in fields {
                text(b's', name, out);
                say(value, out);
            }
            out.push(b'}');
        }
    }
}
