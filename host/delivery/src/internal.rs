//! The host's own requests to components, in process.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use edge_runtime::{App, Body, Lane, full_body};
use edge_streams::{Deliver, DeliverError, TakeOver};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durability::{PUBLISHED_HEADER, Replicas};
use crate::sockets::Hub;

/// The header that carries the secret by which a component knows the host.
pub const INTERNAL_HEADER: HeaderName = HeaderName::from_static("edge-internal");

/// Calls components on paths that are closed to the outside.
#[derive(Clone)]
pub struct Internal {
    app: Arc<App>,
    secret: HeaderValue,
    prefix: String,
    replicas: Option<Replicas>,
    lane: Lane,
}

/// Why an internal call failed.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// The secret or path cannot be sent.
    #[error("the internal request cannot be made: {0}")]
    Request(#[from] http::Error),
    /// No component answered.
    #[error(transparent)]
    Call(#[from] edge_runtime::CallError),
    /// The component refused.
    #[error("{path} answered {status}: {body}")]
    Status {
        /// The path.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The answer broke off.
    #[error("the answer of {0} broke off")]
    Body(String),
    /// The answer is not what was asked for.
    #[error("{path} answered what cannot be read: {reason}")]
    Answer {
        /// The path.
        path: String,
        /// What was expected.
        reason: String,
    },
}

impl Internal {
    /// Calls `app` under `prefix` with `secret`.
    ///
    /// # Errors
    /// When the secret cannot be a header's value.
    pub fn new(app: Arc<App>, prefix: &str, secret: &str) -> Result<Self, http::Error> {
        let mut secret = HeaderValue::from_str(secret)?;
        secret.set_sensitive(true);
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { app, secret, prefix, replicas: None, lane: Lane::Internal })
    }

    /// The same, which says with each request how far the region's events are on every replica.
    #[must_use]
    pub fn telling(&self, replicas: Replicas) -> Self {
        Self { replicas: Some(replicas), ..self.clone() }
    }

    /// The same in another lane.
    #[must_use]
    pub fn in_lane(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// Posts `body` to a path under the prefix and returns the answer, whatever its status.
    ///
    /// # Errors
    /// When no component answers, or its answer breaks off.
    pub async fn send(&self, path: &str, body: Vec<u8>) -> Result<Response<Bytes>, InternalError> {
        let path = format!("{}/{path}", self.prefix);
        let mut request: Request<Body> = Request::builder()
            .method(Method::POST)
            .uri(format!("http://edge.internal{path}"))
            .header(INTERNAL_HEADER, &self.secret)
            .header(http::header::CONTENT_TYPE, "application/msgpack")
            .body(full_body(body))?;
        if let Some(replicas) = &self.replicas {
            request.headers_mut().insert(PUBLISHED_HEADER, replicas.header());
        }
        let (parts, body) = self.app.call(self.lane, request).await?.into_parts();
        let bytes = body.collect().await.map_err(|_| InternalError::Body(path))?.to_bytes();
        Ok(Response::from_parts(parts, bytes))
    }

    /// The same, where anything but success is an error.
    ///
    /// # Errors
    /// When no component answers, or not with success.
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, InternalError> {
        let response = self.send(path, body).await?;
        let status = response.status();
        let bytes = response.into_body();
        if !status.is_success() {
            let body = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
            return Err(InternalError::Status { path: path.to_owned(), status: status.as_u16(), body });
        }
        Ok(bytes)
    }

    /// The same in MessagePack, question and answer.
    ///
    /// # Errors
    /// As [`Internal::post`], and when the answer cannot be read.
    pub async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<A, InternalError> {
        let unreadable = |reason: String| InternalError::Answer { path: path.to_owned(), reason };
        let body = rmp_serde::to_vec_named(question).map_err(|e| unreadable(e.to_string()))?;
        let answer = self.post(path, body).await?;
        rmp_serde::from_slice(&answer).map_err(|e| unreadable(e.to_string()))
    }
}

impl Internal {
    /// Has the component that takes them at `tick` fire its timers. What it answers that it did, as a map from names to
    /// counts, is published as `application_tick_total`, by name.
    ///
    /// # Errors
    /// When no component answers, or not with success, or not with such a map.
    pub async fn tick(&self) -> Result<(), InternalError> {
        let answer = self.post("tick", Vec::new()).await?;
        if answer.is_empty() {
            return Ok(());
        }
        let did: BTreeMap<String, u64> = rmp_serde::from_slice(&answer)
            .map_err(|e| InternalError::Answer { path: "tick".to_owned(), reason: e.to_string() })?;
        for (what, count) in did {
            metrics::counter!("application_tick_total", "what" => what).increment(count);
        }
        Ok(())
    }
}

/// Records on their way in.
#[derive(Serialize)]
struct Batch {
    records: Vec<serde_bytes::ByteBuf>,
}

/// How far the consumers are.
#[derive(Deserialize)]
struct Reached {
    reached: u64,
    /// What the events changed, for those who watch it.
    #[serde(default)]
    changed: Vec<String>,
}

/// Hands events to the component that takes them at `events`.
pub struct EventRoute {
    /// The way to the component.
    pub internal: Internal,
    /// Those who watch what events change.
    pub hub: Arc<Hub>,
}

impl Internal {
    /// Posts records to a path; how far the component is then.
    async fn hand_over(&self, path: &str, records: Vec<Vec<u8>>) -> Result<Reached, DeliverError> {
        let batch = Batch { records: records.into_iter().map(serde_bytes::ByteBuf::from).collect() };
        self.ask(path, &batch).await.map_err(|e| DeliverError(e.to_string()))
    }
}

impl Deliver for EventRoute {
    async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        let answer = self.internal.hand_over("events", records).await?;
        answer.changed.iter().for_each(|key| self.hub.changed(key));
        Ok(answer.reached)
    }
}

/// Has a standby's events taken over by the component that takes them at `take-over`.
pub struct TakeOverRoute {
    internal: Internal,
    path: &'static str,
}

impl TakeOverRoute {
    /// For a standby: people who are not known here yet will be.
    #[must_use]
    pub const fn following(internal: Internal) -> Self {
        Self { internal, path: "take-over" }
    }

    /// For a restoration: people who are not known here will never be, and are as if erased.
    #[must_use]
    pub const fn restoring(internal: Internal) -> Self {
        Self { internal, path: "take-over?unknown=erased" }
    }
}

impl TakeOver for TakeOverRoute {
    async fn take_over(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        Ok(self.internal.hand_over(self.path, records).await?.reached)
    }
}
