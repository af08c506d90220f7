//! Requests from outside.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_runtime::route::Pattern;
use edge_runtime::{App, Body};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::disk::DiskGuard;
use crate::durability::Durability;
use crate::freshness::Freshness;
use crate::problem::{of_call, problem};
use crate::sockets::Sockets;
use crate::throttle::{ACCOUNT, Throttle};

/// The header by which a component says what a request changed, for those who watch it.
const CHANGED_HEADER: http::HeaderName = http::HeaderName::from_static("edge-changed");
/// The header by which a component is told to store nothing, since there is little room.
const STORE_NOTHING_HEADER: http::HeaderName = http::HeaderName::from_static("edge-store-nothing");
/// The header by which a component says that a request on a path of commands changed nothing.
const READ_HEADER: http::HeaderName = http::HeaderName::from_static("edge-read");

/// What is read of a body that is too large, before it is refused.
const DISCARDED_BYTES_MAX: usize = 32 << 20;
/// For how long.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits on what a client may send.
#[derive(Clone, Debug)]
pub struct PublicLimits {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Paths that take larger bodies.
    pub upload_paths: Vec<Pattern>,
    /// Bytes of a body there.
    pub upload_bytes_max: usize,
}

impl PublicLimits {
    fn body_bytes_max(&self, path: &str) -> usize {
        if self.upload_paths.iter().any(|pattern| pattern.matches(path).is_some()) {
            self.upload_bytes_max
        } else {
            self.body_bytes_max
        }
    }
}

/// What the public listener is told.
#[derive(Clone, Debug)]
pub struct PublicOptions {
    /// Limits on what a client may send.
    pub limits: PublicLimits,
    /// Paths that only the host itself may call.
    pub internal_prefix: String,
    /// A header that only the host itself may set.
    pub internal_header: http::HeaderName,
    /// Whether clients come by TLS.
    pub tls: bool,
    /// How much clients may ask. One for the whole node.
    pub throttle: Arc<Throttle>,
    /// Whether there is room to store what they send.
    pub disk: Arc<DiskGuard>,
}

/// The service behind the public listener.
pub struct Public {
    app: Arc<App>,
    options: PublicOptions,
    sockets: Option<Arc<Sockets>>,
    durability: Arc<Durability>,
    freshness: Freshness,
    scheme: Scheme,
    log: AccessLog,
}

/// Notes each request: its figures, looked up once, and a line in the log.
pub(crate) struct AccessLog {
    /// Requests by the class of their status: 1xx to 5xx.
    by_class: [metrics::Counter; 5],
    seconds: metrics::Histogram,
}

impl AccessLog {
    pub(crate) fn new() -> Self {
        let by_class = ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .map(|class| metrics::counter!("http_requests_total", "status" => class));
        Self { by_class, seconds: metrics::histogram!("http_request_seconds") }
    }

    pub(crate) fn note(&self, method: &http::Method, path: &str, status: StatusCode, started: Instant) {
        let (status, elapsed) = (status.as_u16(), started.elapsed());
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(elapsed.as_secs_f64());
        tracing::info!(
            http.method = %method,
            http.path = path,
            http.status = status,
            elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

impl Public {
    /// Serves `app`.
    #[must_use]
    pub fn new(
        app: Arc<App>,
        options: PublicOptions,
        sockets: Option<Arc<Sockets>>,
        durability: Arc<Durability>,
        freshness: Freshness,
    ) -> Self {
        let scheme = if options.tls { Scheme::HTTPS } else { Scheme::HTTP };
        Self { app, options, sockets, durability, freshness, scheme, log: AccessLog::new() }
    }

    /// What clients may have seen here.
    pub(crate) const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Answers one request, and logs it.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let started = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let client = self.options.throttle.client(request.headers(), peer.ip());
        let answer = |request| self.answer(request, client);
        let mut response = self.options.throttle.guard(request.map(incoming), client, answer).await;
        response.headers_mut().remove(ACCOUNT);
        self.log.note(&method, &path, response.status(), started);
        response
    }

    /// Answers one request of a client at that address.
    pub async fn answer(&self, request: Request<Body>, client: IpAddr) -> Response<Body> {
        let path = request.uri().path();
        let guarded = decodes_to_prefix(path, &self.options.internal_prefix);
        if guarded || request.headers().contains_key(&self.options.internal_header) {
            return problem(StatusCode::NOT_FOUND, "no-route", "nothing answers at this path");
        }
        let limit = self.options.limits.body_bytes_max(path);
        if declared_length(&request).is_some_and(|length| length > limit as u64) {
            discard(request.into_body()).await;
            let detail = format!("a request body may have {limit} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail);
        }
        if let Some(refusal) = self.options.disk.refuse(request.method(), path) {
            return refusal;
        }
        if let Some(sockets) = self.sockets.as_ref().filter(|sockets| sockets.wants(&request)) {
            return sockets.clone().accept(request, client).await;
        }
        let class = self.durability.class_of(request.method(), path);
        if let Some(refusal) = class.and_then(|class| self.durability.refuse_now(class)) {
            return refusal;
        }
        let request = match self.prepare(request, client) {
            Ok(request) => request,
            Err(detail) => return problem(StatusCode::BAD_REQUEST, "bad-request", detail),
        };
        self.freshness.follow(request.headers()).await;
        // Last of all, and when the request is there whole: whoever waits with a turn holds up others.
        let (method, path) = (request.method(), request.uri().path());
        let turn = match self.options.throttle.turn(method, path, request.headers()).await {
            Ok(turn) => turn,
            Err(refusal) => return *refusal,
        };
        let answer = self.app.call(request).await;
        drop(turn);
        let mut response = match answer {
            Ok(response) => self.note_change(response),
            Err(error) => {
                tracing::error!(error = %error, "no answer from the component");
                return of_call(&error);
            }
        };
        self.freshness.tell(response.headers_mut());
        let read = response.headers_mut().remove(READ_HEADER).is_some();
        match class {
            Some(class) if !read => self.durability.settle(class, response).await,
            _ => response,
        }
    }

    /// Takes out of an answer what the request changed, and tells those who watch it.
    fn note_change(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(key) = response.headers_mut().remove(CHANGED_HEADER)
            && let (Some(sockets), Ok(key)) = (&self.sockets, key.to_str())
        {
            sockets.changed(key);
        }
        response
    }

    /// Makes the URI absolute, notes the client's address, and bounds the body.
    fn prepare(&self, request: Request<Body>, client: IpAddr) -> Result<Request<Body>, &'static str> {
        let limit = self.options.limits.body_bytes_max(request.uri().path());
        let (mut parts, body) = request.into_parts();
        let authority = match parts.headers.get(header::HOST) {
            Some(host) => host.to_str().ok().and_then(|h| h.parse::<Authority>().ok()),
            None => parts.uri.authority().cloned(),
        };
        let authority = authority.ok_or("the Host header is missing or malformed")?;
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| "the request's target is malformed")?;
        if let Ok(address) = header::HeaderValue::from_str(&client.to_string()) {
            parts.headers.insert(header::HeaderName::from_static("spin-client-addr"), address);
        }
        if self.options.disk.is_full() {
            parts.headers.insert(STORE_NOTHING_HEADER, header::HeaderValue::from_static("1"));
        }
        let limited = Limited::new(body, limit).map_err(move |error| {
            error.downcast::<edge_runtime::BodyError>().map_or_else(
                |_| edge_runtime::BodyError::HttpRequestBodySize(u64::try_from(limit).ok()),
                |error| *error,
            )
        });
        Ok(Request::from_parts(parts, limited.boxed_unsync()))
    }
}

/// A body as it comes from a connection.
pub(crate) fn incoming(body: Incoming) -> Body {
    body.map_err(edge_runtime::BodyError::from).boxed_unsync()
}

/// Reads what a client is still sending, and drops it: a connection that is closed meanwhile takes the answer with it. Bounded in
/// bytes and in time; who sends more gets no answer.
async fn discard(body: Body) {
    let mut rest = Limited::new(body, DISCARDED_BYTES_MAX);
    let reading = async { while matches!(rest.frame().await, Some(Ok(_))) {} };
    if tokio::time::timeout(DISCARD_TIMEOUT, reading).await.is_err() {
        tracing::debug!("a client was still sending a body that is too large");
    }
}

fn declared_length<B>(request: &Request<B>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a path is, in any spelling, the prefix or under it: percent-encoding and doubled or dotted slashes are what
/// a router further in may undo.
pub(crate) fn decodes_to_prefix(path: &str, prefix: &str) -> bool {
    // The usual path, spelled plainly, is judged without a copy.
    if !path.contains(['%', '.']) && !path.contains("//") {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        return first.eq_ignore_ascii_case(prefix.trim_matches('/'));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (byte == b'%').then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?))).flatten();
        match pair {
            Some((high, low)) => {
                bytes = ahead;
                decoded.push(high * 16 + low);
            }
            None => decoded.push(byte),
        }
    }
    let decoded = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.first() == Some(&prefix.trim_matches('/'))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::decodes_to_prefix;

    #[test]
    fn no_spelling_reaches_the_internal_paths() {
        for path in [
            "/internal",
            "/internal/events",
            "//internal/events",
            "/./internal/x",
            "/v1/../internal/x",
            "/%69nternal/x",
            "/INTERNAL/x",
            "/%2finternal",
        ] {
            assert!(decodes_to_prefix(path, "/internal"), "{path}");
        }
        for path in ["/", "/v1/internal", "/internals", "/v1/internal/x", "/%zz"] {
            assert!(!decodes_to_prefix(path, "/internal"), "{path}");
        }
    }
}
