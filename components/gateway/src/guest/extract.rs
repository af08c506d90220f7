//! What every operation takes from its request: the caller, the command's name, and the body.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use sha2::{Digest as _, Sha256};

use super::bindings::petwalker::identity::accounts::{self, Caller, Command};
use super::local;
use super::problem::Problem;

/// An authenticated caller.
pub struct Auth(pub Caller);

/// Who calls, and how the call is named.
#[derive(Clone)]
pub struct Context {
    /// Who.
    pub caller: Caller,
    /// The command's name.
    pub command: Command,
    /// The version that the caller read, from `If-Match`.
    pub expected_version: Option<u32>,
}

/// An unsafe call by an authenticated caller.
pub struct Call<T> {
    /// Who and how.
    pub context: Context,
    /// With what.
    pub body: T,
}

/// An unsafe call by anybody.
pub struct Open<T> {
    /// How it is named.
    pub command: Command,
    /// With what.
    pub body: T,
}

/// Bytes that a caller sends.
pub struct Upload {
    /// Who.
    pub caller: Caller,
    /// The bytes.
    pub bytes: Bytes,
}

/// Whether identity, which lives and ends with this instance, has its keys.
static PREPARED: AtomicBool = AtomicBool::new(false);

/// The access token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who a request's token belongs to.
pub async fn authenticate(headers: &HeaderMap) -> Result<Caller, Problem> {
    let Some(token) = bearer(headers) else {
        return Err(Problem::new("unauthenticated", "send the header Authorization: Bearer <access token>"));
    };
    if !PREPARED.load(Ordering::Relaxed) {
        accounts::prepare().await?;
        PREPARED.store(true, Ordering::Relaxed);
    }
    Ok(accounts::authenticate(token)?)
}

/// The command's name: the client's `Idempotency-Key`, or one of our own.
pub fn command(parts: &Parts, body: &[u8]) -> Result<Command, Problem> {
    let id = match parts.headers.get("idempotency-key") {
        Some(key) => key
            .to_str()
            .ok()
            .filter(|key| (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or_else(|| {
                Problem::new("malformed", "must be 1 to 200 visible ASCII characters").at("Idempotency-Key")
            })?
            .to_owned(),
        None => random_id(),
    };
    let mut hasher = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), body] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Ok(Command { id, fingerprint: hasher.finalize().to_vec() })
}

fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    #[expect(clippy::disallowed_methods, reason = "a name for a command that the client did not name")]
    getrandom::fill(&mut bytes).expect("wasi:random never fails");
    format!("auto-{}", hex::encode(bytes))
}

fn expected_version(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|v| v.trim_matches('"').parse().ok());
    version
        .map(Some)
        .ok_or_else(|| Problem::new("malformed", "must be a version such as \"3\"").at("If-Match"))
}

/// Deepest nesting of a body: JSON's reader has a limit of its own, 128.
const PACKED_DEPTH_MAX: usize = 64;

/// Reads a body by its type: JSON, or MessagePack with named fields. A body that may be left out reads as nothing at all
/// (`Option`, [`super::api::Nothing`]); one that may not must be there, since a proxy that drops it must change nothing.
pub fn read_body<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        let nothing: UnitDeserializer<serde::de::value::Error> = ().into_deserializer();
        return T::deserialize(nothing).map_err(|_| Problem::body_missing());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => {
            let mut reader = serde_json::Deserializer::from_slice(body);
            let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| malformed(&e))?;
            reader.end().map_err(|e| Problem::new("malformed", e.to_string()))?;
            Ok(value)
        }
        "application/msgpack" | "application/vnd.msgpack" | "application/x-msgpack" => {
            let mut reader = rmp_serde::Deserializer::from_read_ref(body);
            reader.set_max_depth(PACKED_DEPTH_MAX);
            serde_path_to_error::deserialize(&mut reader).map_err(|e| malformed(&e))
        }
        other => Err(Problem::new(
            "unsupported-media-type",
            format!("'{other}' is not taken; send application/json or application/msgpack"),
        )),
    }
}

fn malformed<E: std::error::Error>(error: &serde_path_to_error::Error<E>) -> Problem {
    let path = error.path().to_string();
    let problem = Problem::new("malformed", error.inner().to_string());
    if path == "." { problem } else { problem.at(path) }
}

async fn whole_body(request: Request) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, super::exchange::BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::body_too_large())?;
    Ok((parts, bytes))
}

impl<S: Sync> FromRequestParts<S> for Auth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        local(authenticate(&parts.headers)).await.map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Call<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        let caller = local(authenticate(&parts.headers)).await?;
        let command = command(&parts, &bytes)?;
        let expected_version = expected_version(&parts.headers)?;
        let body = read_body(&parts.headers, &bytes)?;
        Ok(Self { context: Context { caller, command, expected_version }, body })
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Open<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        Ok(Self { command: command(&parts, &bytes)?, body: read_body(&parts.headers, &bytes)? })
    }
}

impl<S: Sync> FromRequest<S> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        let caller = local(authenticate(&parts.headers)).await?;
        if bytes.is_empty() {
            return Err(Problem::body_missing());
        }
        Ok(Self { caller, bytes })
    }
}

/// The query string, read strictly.
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|query| Self(query.0))
            .map_err(|e| Problem::new("malformed", e.body_text()).at("query"))
    }
}
