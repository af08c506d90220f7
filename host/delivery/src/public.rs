//! Requests from outside.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_runtime::route::Pattern;
use edge_runtime::{App, Body, Lane, full_body};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::access_log::{AccessLog, REQUEST_ID};
use crate::bodies::{Bodies, BodyRefusal, Held};
use crate::disk::DiskGuard;
use crate::durability::{Durability, PUBLISHED_HEADER};
use crate::freshness::Freshness;
use crate::problem::{of_call, problem};
use crate::sockets::Sockets;
use crate::throttle::Throttle;
use crate::waits::Waits;

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
        if self.upload_paths.iter().any(|pattern| pattern.is_match(path)) {
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
    /// Whether there is room to store what they send; none where nothing of it is stored.
    pub disk: Option<Arc<DiskGuard>>,
}

/// What stands between clients and the components.
pub struct Admission {
    /// Reads requests' bodies.
    pub bodies: Arc<Bodies>,
    /// Holds requests that wait.
    pub waits: Arc<Waits>,
}

/// The service behind the public listener.
pub struct Public {
    app: Arc<App>,
    options: PublicOptions,
    sockets: Option<Arc<Sockets>>,
    admission: Admission,
    durability: Arc<Durability>,
    freshness: Freshness,
    scheme: Scheme,
    log: AccessLog,
}

impl Public {
    /// Serves `app`.
    #[must_use]
    pub fn new(
        app: Arc<App>,
        options: PublicOptions,
        sockets: Option<Arc<Sockets>>,
        admission: Admission,
        durability: Arc<Durability>,
        freshness: Freshness,
    ) -> Self {
        let scheme = if options.tls { Scheme::HTTPS } else { Scheme::HTTP };
        Self { app, options, sockets, admission, durability, freshness, scheme, log: AccessLog::new() }
    }

    /// What clients may have seen here.
    pub(crate) const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Answers one request, and logs it.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let mut request = request.map(incoming);
        let client = self.options.throttle.client(request.headers(), peer.ip());
        let noted = self.log.begin(&mut request, client);
        let answer = |request| self.answer(request, client);
        let mut response = self.options.throttle.guard(request, client, answer).await;
        self.log.end(noted, &mut response);
        response
    }

    /// Answers that wait now, and event streams that are open.
    #[must_use]
    pub fn waiting(&self) -> [usize; 2] {
        self.admission.waits.open()
    }

    /// Answers everybody who waits, and ends every stream of events.
    pub fn end_waits(&self) {
        self.admission.waits.end();
    }

    /// Answers one request of a client at that address.
    pub async fn answer(&self, request: Request<Body>, client: IpAddr) -> Response<Body> {
        match self.read(request, client).await {
            // The body's memory is accounted for until it is answered.
            Ok((request, _held)) => self.answer_read(request, client).await,
            Err(refusal) => *refusal,
        }
    }

    /// Reads a request's body, before anybody else has to wait for it.
    pub(crate) async fn read(
        &self,
        request: Request<Body>,
        client: IpAddr,
    ) -> Result<(Request<Bytes>, Held), Box<Response<Body>>> {
        let limit = self.options.limits.body_bytes_max(request.uri().path());
        let (declared, version) = (declared_length(&request), request.version());
        let refuse = |refusal: BodyRefusal| Box::new(refusal.answer(version));
        let (parts, body) = request.into_parts();
        if declared.is_some_and(|length| length > limit as u64) {
            discard(body).await;
            return Err(refuse(BodyRefusal::TooLarge(limit)));
        }
        let read = self.admission.bodies.read(body, declared, limit, client).await.map_err(refuse)?;
        Ok((Request::from_parts(parts, read.bytes), read.held))
    }

    /// Answers one request whose body was read.
    pub(crate) async fn answer_read(&self, request: Request<Bytes>, client: IpAddr) -> Response<Body> {
        let path = request.uri().path();
        let guarded = decodes_to_prefix(path, &self.options.internal_prefix);
        if guarded || request.headers().contains_key(&self.options.internal_header) {
            return problem(StatusCode::NOT_FOUND, "no-route", "nothing answers at this path");
        }
        let disk = self.options.disk.as_ref();
        if let Some(refusal) = disk.and_then(|disk| disk.refuse(request.method(), path)) {
            return refusal;
        }
        if let Some(sockets) = self.sockets.as_ref().filter(|sockets| sockets.wants(&request)) {
            let (path, sends) = (path.to_owned(), sockets.takes_frames(path));
            // On the heap: no other request keeps room for it.
            let response = Box::pin(sockets.clone().accept(request, client)).await;
            return if sends { self.durability.of_socket(&path, response) } else { response };
        }
        let class = self.durability.class_of(request.method(), path);
        if let Some(refusal) = class.and_then(|class| self.durability.refuse_now(class)) {
            return refusal;
        }
        let mut request = match self.prepare(request, client) {
            Ok(request) => request,
            Err(detail) => return problem(StatusCode::BAD_REQUEST, "bad-request", detail),
        };
        // Whatever a client says of it, and to whom no command is sent nothing is said.
        request.headers_mut().remove(PUBLISHED_HEADER);
        if class.is_some() {
            request.headers_mut().insert(PUBLISHED_HEADER, self.durability.replicas().header());
        }
        self.freshness.follow(request.headers()).await;
        // Last of all, and when the request is there whole: whoever waits with a turn holds up others.
        let (method, path) = (request.method(), request.uri().path());
        let turn = match self.options.throttle.turn(method, path, request.headers()).await {
            Ok(turn) => turn,
            Err(refusal) => return *refusal,
        };
        // What takes turns has its own limit: a request that waits for one is in no other's way.
        let share = if turn.is_none() { Some(self.options.throttle.share(client).await) } else { None };
        let share = match share.transpose() {
            Ok(share) => share,
            Err(refusal) => return *refusal,
        };
        let candidate = self.admission.waits.candidate(&mut request, client);
        let answer = self.app.call(Lane::Public, request).await;
        drop((turn, share));
        let response = match answer {
            Ok(response) => match candidate {
                Some(candidate) => Box::pin(self.admission.waits.settle(candidate, response)).await,
                None => Waits::no_wait(response),
            },
            Err(error) => {
                tracing::error!(error = %error, "no answer from the component");
                return of_call(&error);
            }
        };
        let mut response = self.note_change(response);
        self.freshness.tell(response.headers_mut());
        let read = response.headers_mut().remove(READ_HEADER).is_some();
        match class {
            Some(class) if !read => Box::pin(self.durability.settle(class, response)).await,
            _ => {
                Durability::forget(&mut response);
                response
            }
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

    /// Makes the URI absolute, and notes the client's address.
    fn prepare(&self, request: Request<Bytes>, client: IpAddr) -> Result<Request<Body>, &'static str> {
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
        // Components make nothing of it, and each header costs them.
        parts.headers.remove(REQUEST_ID);
        parts.headers.remove(STORE_NOTHING_HEADER);
        if self.options.disk.as_ref().is_some_and(|disk| disk.is_full()) {
            parts.headers.insert(STORE_NOTHING_HEADER, header::HeaderValue::from_static("1"));
        }
        Ok(Request::from_parts(parts, full_body(body)))
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
