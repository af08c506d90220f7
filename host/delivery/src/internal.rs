//! The host's own requests to components, in process.

use std::sync::Arc;

use edge_runtime::{App, Body, full_body};
use edge_streams::{Deliver, DeliverError};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};

/// The header that carries the secret by which a component knows the host.
pub const INTERNAL_HEADER: HeaderName = HeaderName::from_static("edge-internal");

/// Calls components on paths that are closed to the outside.
#[derive(Clone)]
pub struct Internal {
    app: Arc<App>,
    secret: HeaderValue,
    prefix: String,
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
}

impl Internal {
    /// Calls `app` under `prefix` with `secret`.
    ///
    /// # Errors
    /// When the secret cannot be a header's value.
    pub fn new(app: Arc<App>, prefix: &str, secret: &str) -> Result<Self, http::Error> {
        let mut secret = HeaderValue::from_str(secret)?;
        secret.set_sensitive(true);
        Ok(Self { app, secret, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// Posts `body` to a path under the prefix and returns the answer's body.
    ///
    /// # Errors
    /// When no component answers, or not with success.
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, InternalError> {
        let path = format!("{}/{path}", self.prefix);
        let request: Request<Body> = Request::builder()
            .method(Method::POST)
            .uri(format!("http://edge.internal{path}"))
            .header(INTERNAL_HEADER, &self.secret)
            .header(http::header::CONTENT_TYPE, "application/msgpack")
            .body(full_body(body))?;
        let response = self.app.call(request).await?;
        let status = response.status();
        let bytes =
            response.into_body().collect().await.map_err(|_| InternalError::Body(path.clone()))?.to_bytes();
        if !status.is_success() {
            let body = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
            return Err(InternalError::Status { path, status: status.as_u16(), body });
        }
        Ok(bytes.into())
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
}

/// Hands events to the component that takes them at `events`.
pub struct EventRoute(pub Internal);

impl Deliver for EventRoute {
    async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        let batch = Batch { records: records.into_iter().map(serde_bytes::ByteBuf::from).collect() };
        let body = rmp_serde::to_vec_named(&batch).map_err(|e| DeliverError(e.to_string()))?;
        let answer = self.0.post("events", body).await.map_err(|e| DeliverError(e.to_string()))?;
        let reached: Reached = rmp_serde::from_slice(&answer).map_err(|e| DeliverError(e.to_string()))?;
        Ok(reached.reached)
    }
}
