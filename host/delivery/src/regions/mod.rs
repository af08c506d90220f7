//! One service out of many edges: each request is answered by the owner of the region it is for, wherever it came in.
//!
//! Which region that is, a request says by a header, by an id in its path that carries the region's number, or by what only
//! the component understands: then this node's front answers 421 with the region's name, having changed nothing, and the
//! request is sent there. Who owns a region, its [`Place`] says; the node keeps it up to date. What the node does not own it
//! forwards to the owner, over mutually authenticated TLS, bodies and sockets as they come.

mod atlas;
mod edges;
mod forward;
mod health;
mod leaving;
mod peers;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_runtime::route::Pattern;
use edge_runtime::{Body, full_body};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::{RwLock, watch};

pub use atlas::{Atlas, Edge, Region};
pub use forward::{PeerTls, PeerTlsError, Peers};
pub use health::Health;
pub use peers::{Control, PeerDoor};

use crate::access_log::AccessLog;
use crate::bodies::Held;
use crate::problem::problem;
use crate::public::{Public, incoming};
use crate::throttle::Throttle;

/// The region that a request is for, among edges; and by which a component says that it is for another one.
pub(crate) const REGION: HeaderName = HeaderName::from_static("edge-region");
/// How often a request was forwarded.
pub(crate) const HOPS: HeaderName = HeaderName::from_static("edge-hops");
/// The client's address, among edges.
pub(crate) const CLIENT: HeaderName = HeaderName::from_static("edge-client");
/// W3C Trace Context.
const TRACE: HeaderName = HeaderName::from_static("traceparent");
/// A request that went this far goes in a circle.
const HOPS_MAX: u8 = 3;

/// Who answers for a region.
#[derive(Clone)]
pub enum Standing {
    /// Nobody that this node knows of, now.
    Nobody,
    /// The edge of that name.
    Elsewhere(String),
    /// This node.
    Here(Owned),
}

/// A region that this node owns.
#[derive(Clone)]
pub struct Owned {
    public: Arc<Public>,
    /// Held by each request under way.
    admitted: Arc<RwLock<()>>,
}

impl Owned {
    /// Answered for by `public`.
    #[must_use]
    pub fn new(public: Arc<Public>) -> Self {
        Self { public, admitted: Arc::default() }
    }

    /// Waits until every request under way has its answer. Nobody is admitted any more, and who waits is answered now.
    pub async fn drained(&self) {
        self.public.end_waits();
        drop(self.admitted.write().await);
    }
}

/// The place of one region: who answers for it.
#[derive(Clone)]
pub struct Place(watch::Sender<Standing>);

impl Default for Place {
    fn default() -> Self {
        Self(watch::Sender::new(Standing::Nobody))
    }
}

impl Place {
    /// Says who answers for the region from now on.
    pub fn set(&self, standing: Standing) {
        self.0.send_replace(standing);
    }
}

/// What the router is told.
#[derive(Clone, Debug)]
pub struct RouterOptions {
    /// The header by which clients name a region, and by which answers do.
    pub header: HeaderName,
    /// Paths whose ids carry a region's number.
    pub id_paths: Vec<Pattern>,
    /// Paths that are of a region without naming one: this node's own region answers.
    pub home_paths: Vec<Pattern>,
    /// That region.
    pub home: String,
    /// Where the edges are told.
    pub edges_path: String,
    /// How long a request waits for a region that is changing hands.
    pub wait: Duration,
    /// Bytes of a body that may be sent a second time.
    pub replay_bytes_max: usize,
    /// How much clients may ask. The edge where a request comes in counts it, and no other.
    pub throttle: Arc<Throttle>,
}

/// The service behind the public listener of a node among others.
pub struct Router {
    options: RouterOptions,
    atlas: Arc<Atlas>,
    front: Arc<Public>,
    places: BTreeMap<String, Place>,
    peers: Arc<Peers>,
    health: Health,
    stop: watch::Receiver<bool>,
    log: AccessLog,
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) client: IpAddr,
    pub(crate) hops: u8,
}

/// A request that can be sent again where the first attempt did not arrive.
enum Sendable {
    /// Its body was read, and is accounted for meanwhile.
    Again(Parts, Bytes, Arc<Held>),
    /// Its body is passed on as it comes.
    Once(Request<Body>),
}

impl Sendable {
    /// Has the body read by `public`.
    async fn read(
        request: Request<Body>,
        public: &Public,
        client: IpAddr,
    ) -> Result<Self, Box<Response<Body>>> {
        let (request, held) = public.read(request, client).await?;
        let (parts, body) = request.into_parts();
        Ok(Self::Again(parts, body, Arc::new(held)))
    }

    /// The request, and itself where it can be sent again.
    fn take(self) -> (Request<Body>, Option<Self>) {
        match self {
            Self::Once(request) => (request, None),
            Self::Again(parts, body, held) => {
                let request = Request::from_parts(parts.clone(), full_body(body.clone()));
                (request, Some(Self::Again(parts, body, held)))
            }
        }
    }
}

impl Router {
    /// Routes to `places`, with `front` for what is of no region, and forwards over `peers` until `stop`.
    #[must_use]
    pub fn new(
        options: RouterOptions,
        atlas: Arc<Atlas>,
        front: Arc<Public>,
        places: BTreeMap<String, Place>,
        peers: Arc<Peers>,
        health: Health,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { options, atlas, front, places, peers, health, stop, log: AccessLog::new() }
    }

    /// Answers one request of a client, and logs it.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let mut request = request.map(incoming);
        let client = self.options.throttle.client(request.headers(), peer.ip());
        let noted = self.log.begin(&mut request, client);
        // Only edges speak of these.
        for name in [REGION, HOPS, CLIENT] {
            request.headers_mut().remove(name);
        }
        begin_trace(request.headers_mut());
        let answer = |request| self.route(request, Origin { client, hops: 0 });
        let mut response = self.options.throttle.guard(request, client, answer).await;
        self.log.end(noted, &mut response);
        response
    }

    /// How much clients may ask.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.options.throttle
    }

    async fn route(&self, request: Request<Body>, origin: Origin) -> Response<Body> {
        if request.uri().path() == self.options.edges_path {
            return self.edges(&request);
        }
        let named = match self.named(&request) {
            Ok(named) => named,
            Err(refusal) => return *refusal,
        };
        if let Some(region) = named {
            return self.to_region(&region, request, origin).await;
        }
        let (request, held) = match self.front.read(request, origin.client).await {
            Ok(read) => read,
            Err(refusal) => return *refusal,
        };
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body.clone());
        let mut response = self.front.answer_read(request, origin.client).await;
        match misdirected(&mut response) {
            Some(region) => {
                let again = Sendable::Again(parts, body, Arc::new(held));
                self.send(&region, again, origin).await
            }
            None => response,
        }
    }

    /// The region that a request names.
    fn named(&self, request: &Request<Body>) -> Result<Option<String>, Box<Response<Body>>> {
        let path = request.uri().path();
        let by_id =
            self.options.id_paths.iter().filter_map(|pattern| pattern.matches(path)).find_map(|matched| {
                let id = matched.parameters.into_iter().next()?.1;
                self.atlas.region_of_id(&id).map(|region| region.name.clone())
            });
        if by_id.is_some() {
            return Ok(by_id);
        }
        if let Some(name) = self.by_name(request) {
            let known = self.atlas.region(&name).is_some();
            let detail = "the region that the request names is not one of this service";
            return if known {
                Ok(Some(name))
            } else {
                Err(Box::new(problem(StatusCode::BAD_REQUEST, "no-region", detail)))
            };
        }
        let home = self.options.home_paths.iter().any(|pattern| pattern.is_match(path));
        Ok(home.then(|| self.options.home.clone()))
    }

    /// By the header; by the query where a client cannot set headers, as a browser's socket.
    fn by_name(&self, request: &Request<Body>) -> Option<String> {
        let by_header = request.headers().get(&self.options.header).and_then(|value| value.to_str().ok());
        let by_query = || {
            let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|_| request.headers().contains_key(header::UPGRADE))
                .find_map(|(k, v)| (k == "region").then_some(v))
        };
        by_header.or_else(by_query).map(str::to_owned)
    }

    /// Has the owner of a region answer.
    pub(crate) async fn to_region(
        &self,
        region: &str,
        request: Request<Body>,
        origin: Origin,
    ) -> Response<Body> {
        let bytes_max = self.options.replay_bytes_max as u64;
        // What is large, or may be, is read by the owner.
        if request.body().size_hint().upper().is_none_or(|upper| upper > bytes_max) {
            return self.send(region, Sendable::Once(request), origin).await;
        }
        match Sendable::read(request, &self.front, origin.client).await {
            Ok(sendable) => self.send(region, sendable, origin).await,
            Err(refusal) => *refusal,
        }
    }

    async fn send(&self, region: &str, sendable: Sendable, mut origin: Origin) -> Response<Body> {
        let deadline = tokio::time::Instant::now() + self.options.wait;
        let (mut region, mut sendable) = (region.to_owned(), sendable);
        loop {
            let (answer, again) = self.send_to(&region, sendable, origin, deadline).await;
            match (answer, again) {
                (Err(other), Some(again)) if origin.hops < HOPS_MAX => {
                    origin.hops += 1;
                    (region, sendable) = (other, again);
                }
                (Err(_), _) => {
                    let detail = "the request names another region than it is for";
                    return problem(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail);
                }
                (Ok(response), _) => return response,
            }
        }
    }

    /// Has a region's owner answer; or the region that it says should have been asked, and the request again.
    async fn send_to(
        &self,
        region: &str,
        mut sendable: Sendable,
        origin: Origin,
        deadline: tokio::time::Instant,
    ) -> (Result<Response<Body>, String>, Option<Sendable>) {
        let Some(place) = self.places.get(region) else {
            return (Ok(problem(StatusCode::BAD_REQUEST, "no-region", "there is no such region")), None);
        };
        let mut standings = place.0.subscribe();
        loop {
            let standing = standings.borrow_and_update().clone();
            match standing {
                Standing::Here(owned) => {
                    // A body is read before the request is admitted: who sends slowly must not hold a hand-over up.
                    let (parts, body, held) = match sendable {
                        Sendable::Again(parts, body, held) => (parts, body, held),
                        Sendable::Once(request) => {
                            match Sendable::read(request, &owned.public, origin.client).await {
                                Ok(read) => {
                                    sendable = read;
                                    continue;
                                }
                                Err(refusal) => return (Ok(*refusal), None),
                            }
                        }
                    };
                    // One that is drained has a writer waiting, behind which nobody is admitted.
                    let Ok(_admitted) = owned.admitted.clone().try_read_owned() else {
                        if wait(&mut standings, deadline).await {
                            sendable = Sendable::Again(parts, body, held);
                            continue;
                        }
                        return (Ok(no_owner()), None);
                    };
                    let request = Request::from_parts(parts.clone(), body.clone());
                    let mut response = owned.public.answer_read(request, origin.client).await;
                    if let Some(other) = misdirected(&mut response) {
                        return (Err(other), Some(Sendable::Again(parts, body, held)));
                    }
                    self.sign(&mut response, region);
                    return (Ok(response), None);
                }
                Standing::Elsewhere(edge) => {
                    if origin.hops >= HOPS_MAX {
                        let detail = "the region is changing hands; try again shortly";
                        return (Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "no-owner", detail)), None);
                    }
                    let (mut request, again) = sendable.take();
                    self.front.freshness().pass_on(request.headers_mut());
                    let reads = request.method().is_safe();
                    let forwarded = tokio::select! {
                        forwarded = self.peers.forward(&edge, region, request, origin) => forwarded,
                        () = leaving::given_up(self.stop.clone()), if reads => return (Ok(leaving::stopping()), None),
                    };
                    match forwarded {
                        Ok(mut response) => {
                            self.sign(&mut response, region);
                            return (Ok(leaving::ending_between_events(response, &self.stop)), None);
                        }
                        Err(failure) => match again {
                            Some(again) if failure.never_arrived => sendable = again,
                            _ => return (Ok(unknown_outcome()), None),
                        },
                    }
                    if !wait(&mut standings, deadline).await {
                        return (Ok(no_owner()), None);
                    }
                }
                Standing::Nobody => {
                    if !wait(&mut standings, deadline).await {
                        return (Ok(no_owner()), None);
                    }
                }
            }
        }
    }

    /// Says in an answer which region gave it.
    fn sign(&self, response: &mut Response<Body>, region: &str) {
        if let Ok(value) = HeaderValue::from_str(region) {
            response.headers_mut().insert(&self.options.header, value);
        }
    }
}

/// Waits until a region's standing changes, or a little, in case it is the way there that changes. False: it took too long.
async fn wait(standings: &mut watch::Receiver<Standing>, deadline: tokio::time::Instant) -> bool {
    const RETRY_EVERY: Duration = Duration::from_millis(100);
    let soon = deadline.min(tokio::time::Instant::now() + RETRY_EVERY);
    match tokio::time::timeout_at(soon, standings.changed()).await {
        Ok(Ok(())) => true,
        // The node is going.
        Ok(Err(_)) => false,
        Err(_) => tokio::time::Instant::now() < deadline,
    }
}

/// Takes out of an answer which region should have been asked.
fn misdirected(response: &mut Response<Body>) -> Option<String> {
    let region = response.headers_mut().remove(REGION)?;
    (response.status() == StatusCode::MISDIRECTED_REQUEST)
        .then(|| region.to_str().ok().map(str::to_owned))
        .flatten()
}

fn no_owner() -> Response<Body> {
    metrics::counter!("region_without_owner_total").increment(1);
    let detail = "no edge answers for the region right now; nothing was changed, try again shortly";
    problem(StatusCode::SERVICE_UNAVAILABLE, "no-owner", detail)
}

fn unknown_outcome() -> Response<Body> {
    let detail = "the region's owner did not answer; whether it was done is not known. Repeat the same command with the \
                  same Idempotency-Key to learn it";
    problem(StatusCode::SERVICE_UNAVAILABLE, "owner-unreachable", detail)
}

/// Begins a trace where the client brought none (W3C Trace Context, version 00).
fn begin_trace(headers: &mut HeaderMap) {
    if headers.contains_key(TRACE) {
        return;
    }
    let mut bytes = [0_u8; 24];
    if getrandom::fill(&mut bytes).is_err() {
        return;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    if let Ok(value) = HeaderValue::try_from(format!("00-{}-{}-01", hex(&bytes[..16]), hex(&bytes[16..]))) {
        headers.insert(TRACE, value);
    }
}
