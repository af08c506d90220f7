//! What every operation takes from its request: the caller, the command's name, and the body.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use super::bindings::petwalker::identity::accounts::{self, Caller, Command};
use super::problem::Problem;
use super::{digest, local};

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
    Ok(accounts::authenticate(token(headers).await?)?)
}

/// The same within a session that was not ended.
pub async fn authenticate_now(headers: &HeaderMap) -> Result<Caller, Problem> {
    Ok(accounts::authenticate_now(token(headers).await?)?)
}

/// The access token of a request, once identity can verify it.
async fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(token) = bearer(headers) else {
        return Err(Problem::new("unauthenticated", "send the header Authorization: Bearer <access token>"));
    };
    if !PREPARED.load(Ordering::Relaxed) {
        accounts::prepare().await?;
        PREPARED.store(true, Ordering::Relaxed);
    }
    Ok(token)
}

/// Who called, for the node's log; filled in once the caller is known.
#[derive(Clone, Default)]
pub struct Who(Arc<OnceLock<HeaderValue>>);

impl Who {
    /// What stands for the account in the log; none where nobody was authenticated.
    pub fn opaque(&self) -> Option<HeaderValue> {
        self.0.get().cloned()
    }
}

/// Who a request's token belongs to, which the log is told, too. What may change something is asked for within a session that
/// was not ended; what only reads goes on until the token ends, for a read of the session would cost it more than the rest.
pub async fn authenticate_parts(parts: &Parts) -> Result<Caller, Problem> {
    let caller = if parts.method.is_safe() {
        authenticate(&parts.headers).await?
    } else {
        authenticate_now(&parts.headers).await?
    };
    if let Some(Who(slot)) = parts.extensions.get::<Who>() {
        let opaque = digest::opaque(&caller).await?;
        slot.get_or_init(|| opaque);
    }
    Ok(caller)
}

/// The client's name for its command: its `Idempotency-Key`, where it gives one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let good = |key: &&str| (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let key = key.to_str().ok().filter(good);
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Problem::new("malformed", "must be 1 to 200 visible ASCII characters").at("Idempotency-Key")
    })
}

/// A command that its caller did not name: nobody can repeat it.
pub const fn unnamed() -> Command {
    Command { id: String::new(), fingerprint: Vec::new() }
}

/// The command that a request is, named by its caller or not; of nobody's where there is no account yet.
async fn command(parts: &Parts, body: &[u8], caller: Option<&Caller>) -> Result<Command, Problem> {
    let Some(id) = idempotency_key(&parts.headers)? else { return Ok(unnamed()) };
    let input = read_body(&parts.headers, body)?;
    let operation = [parts.method.as_str(), parts.uri.path()];
    let fingerprint = match caller {
        Some(caller) => digest::of_caller(caller, &operation, &input)?,
        None => digest::of_anybody(&operation, &input).await?,
    };
    Ok(Command { id, fingerprint })
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
        local(authenticate_parts(parts)).await.map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Call<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        local(async move {
            let caller = authenticate_parts(&parts).await?;
            let expected_version = expected_version(&parts.headers)?;
            let body = read_body(&parts.headers, &bytes)?;
            let command = command(&parts, &bytes, Some(&caller)).await?;
            Ok(Self { context: Context { caller, command, expected_version }, body })
        })
        .await
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Open<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        local(async move {
            let body = read_body(&parts.headers, &bytes)?;
            Ok(Self { command: command(&parts, &bytes, None).await?, body })
        })
        .await
    }
}

impl<S: Sync> FromRequest<S> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, bytes) = whole_body(request).await?;
        let caller = local(authenticate_parts(&parts)).await?;
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
