//! Throttling: how much one address and one account may ask, by class of request.
//!
//! Each class has token buckets by client address and by account. The account is what the component says in
//! [`ACCOUNT`]: the node remembers which credential belongs to which account, so that many credentials of one account
//! share its buckets; until then a credential has buckets of its own. All memory is of a fixed size. Rules without I/O are
//! in [`bucket`], [`table`] and [`address`]; this module asks the clock once a request.

mod address;
mod bucket;
mod class;
mod counts;
mod shares;
mod table;
mod turns;

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_runtime::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};

pub(crate) use self::address::counted;
pub use self::address::{Network, Proxies};
pub use self::bucket::Rate;
pub use self::class::Class;
pub use self::counts::{Counts, Hold};
pub(crate) use self::shares::Share;
pub use self::turns::{Turn, TurnOptions};

use self::bucket::Verdict;
use self::class::{By, Known, Limit};
use self::shares::Shares;
use self::table::{Buckets, Names};
use self::turns::Turns;
use crate::problem::{OfNode, problem};

/// The header in which a component says which account made a request: any text, the same for each request of one account.
/// The node keeps it to itself.
pub const ACCOUNT: HeaderName = HeaderName::from_static("edge-account");

/// The limits of the class that is nearest to its end (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The class's policy.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Credentials whose account is remembered, for so many buckets.
const BUCKETS_PER_CREDENTIAL: usize = 4;
/// What is read of the body of a request that is refused, so that its client reads the answer.
const DRAINED_BYTES_MAX: usize = 64 << 10;
/// For how long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What the throttle is told by the node file.
#[derive(Clone, Debug)]
pub struct ThrottleOptions {
    /// The classes. The first that takes a request decides.
    pub classes: Vec<Class>,
    /// Buckets that are remembered, 16 bytes each; rounded up to a power of two.
    pub buckets_max: usize,
    /// Turns of requests that compute for long.
    pub turns: TurnOptions,
    /// Requests of one address (of IPv6, of one /64) that the components answer at once.
    pub shares: TurnOptions,
    /// Whose word about clients' addresses is believed.
    pub proxies: Proxies,
    /// `Access-Control-Allow-Origin` of the problems that the node itself answers; none where pages of other origins are
    /// not to read them.
    pub cors_origin: Option<HeaderValue>,
}

/// Limits requests by address, account and class.
pub struct Throttle {
    classes: Vec<Known>,
    buckets: Buckets,
    accounts: Names,
    /// Keyed anew in each process: nobody can tell which keys meet.
    hasher: RandomState,
    started: Instant,
    turns: Turns,
    shares: Arc<Shares>,
    proxies: Proxies,
    cors_origin: Option<HeaderValue>,
}

/// A request that was let in.
struct Admitted<'a> {
    class: Option<(usize, &'a Known)>,
    credential: Option<u64>,
    /// The limit that is nearest to its end: tokens left, and seconds until its bucket is full.
    nearest: Option<(&'a Limit, u32, u64)>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("classes", &self.classes.len()).finish_non_exhaustive()
    }
}

impl Throttle {
    /// Limits as `options` say.
    #[must_use]
    pub fn new(options: ThrottleOptions) -> Self {
        Self {
            classes: options.classes.into_iter().map(Known::new).collect(),
            buckets: Buckets::new(options.buckets_max),
            accounts: Names::new(options.buckets_max / BUCKETS_PER_CREDENTIAL),
            hasher: RandomState::new(),
            started: Instant::now(),
            turns: Turns::new(options.turns),
            shares: Shares::new(options.shares),
            proxies: options.proxies,
            cors_origin: options.cors_origin,
        }
    }

    /// The address of a request's client.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        self.proxies.client(headers, peer)
    }

    /// Has a request answered, unless its client or account has asked too much. The answer still says whose it was: take
    /// [`ACCOUNT`] out before the client gets it.
    pub(crate) async fn guard<F>(
        &self,
        request: Request<Body>,
        client: IpAddr,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let from_page = request.headers().contains_key(header::ORIGIN);
        let admitted = self.admit(request.method(), request.uri().path(), request.headers(), client);
        let mut response = match admitted {
            Ok(admitted) => {
                let mut response = answer(request).await;
                self.finish(&admitted, response.headers_mut());
                response
            }
            Err(refusal) => {
                drain(request.into_body()).await;
                *refusal
            }
        };
        self.let_pages_read(from_page, &mut response);
        response
    }

    /// Lets an operation on a socket in as if it were a request that its client posted to the socket's path; after how many
    /// seconds it may come, where it is one too many.
    pub(crate) fn admit_operation(
        &self,
        path: &str,
        client: IpAddr,
        account: Option<&HeaderValue>,
    ) -> Result<(), u64> {
        let Some((index, known)) = self.class_of(&Method::POST, path, &HeaderMap::new()) else {
            return Ok(());
        };
        let account = account.map(|account| self.hash_of_account(account));
        self.take(index, known, client, account, |_, _, _| {}).map_err(|(_, _, retry_in_s)| retry_in_s)
    }

    /// Waits until fewer requests of an address are under way than it may have. Take it when the request is there whole.
    pub(crate) async fn share(&self, client: IpAddr) -> Result<Share, Box<Response<Body>>> {
        self.shares.take(client).await.ok_or_else(|| Box::new(no_share()))
    }

    /// Waits for the turn of a request that computes for long. Take it when the request is there whole: it holds up others.
    pub(crate) async fn turn(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Option<Turn>, Box<Response<Body>>> {
        let waits = |known: &Known| known.class.takes_turns && known.takes(method, path, headers);
        if !self.classes.iter().any(waits) {
            return Ok(None);
        }
        // The first class that takes it decides, here as well.
        match self.class_of(method, path, headers) {
            Some((_, known)) if known.class.takes_turns => {
                self.turns.take().await.map(Some).ok_or_else(|| Box::new(no_turn(&known.class.name)))
            }
            _ => Ok(None),
        }
    }

    /// Lets a page of another origin read a problem that the node itself answers.
    pub(crate) fn let_pages_read(&self, from_page: bool, response: &mut Response<Body>) {
        let Some(origin) = self.cors_origin.as_ref().filter(|_| from_page) else { return };
        if response.extensions().get::<OfNode>().is_none() {
            return;
        }
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = HeaderValue::from_static("retry-after, ratelimit, ratelimit-policy, x-request-id");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }

    fn class_of(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<(usize, &Known)> {
        self.classes.iter().enumerate().find(|(_, known)| known.takes(method, path, headers))
    }

    fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Result<Admitted<'_>, Box<Response<Body>>> {
        let credential =
            headers.get(header::AUTHORIZATION).map(|value| self.hasher.hash_one(value.as_bytes()));
        let Some((index, known)) = self.class_of(method, path, headers) else {
            return Ok(Admitted { class: None, credential, nearest: None });
        };
        let mut admitted = Admitted { class: Some((index, known)), credential, nearest: None };
        let account = credential.map(|credential| self.accounts.get(credential).unwrap_or(credential));
        self.take(index, known, client, account, |limit, remaining, full_in_s| {
            admitted.note(limit, remaining, full_in_s);
        })
        .map_err(|(by, limit, retry_in_s)| Box::new(too_many(known, by, limit, retry_in_s)))?;
        Ok(admitted)
    }

    /// Takes a token of the address and one of the account, given as its hash; `note` hears what is left of each. The limit that
    /// is met, and after how many seconds it is not, where one is.
    fn take<'a>(
        &self,
        index: usize,
        known: &'a Known,
        client: IpAddr,
        account: Option<u64>,
        mut note: impl FnMut(&'a Limit, u32, u64),
    ) -> Result<(), (By, &'a Limit, u64)> {
        let now = self.now();
        let address = known.limit(By::Address).map(|_| self.hasher.hash_one(counted(client)));
        for (by, whose) in [(By::Address, address), (By::Account, account)] {
            let (Some(limit), Some(whose)) = (known.limit(by), whose) else { continue };
            match self.buckets.take(self.hasher.hash_one((by, index, whose)), limit.rate, now) {
                Verdict::Allowed { remaining, full_in_s } => note(limit, remaining, full_in_s),
                Verdict::Refused { retry_in_s } => {
                    known.note_refusal(by);
                    return Err((by, limit, retry_in_s));
                }
            }
        }
        Ok(())
    }

    /// Hash of an account, as credentials are remembered to belong to.
    fn hash_of_account(&self, account: &HeaderValue) -> u64 {
        self.hasher.hash_one(account.as_bytes()).max(1)
    }

    /// Learns whose credential it was, and tells the client how near it is to its limits.
    fn finish(&self, admitted: &Admitted<'_>, headers: &mut HeaderMap) {
        let Some((index, known)) = admitted.class else { return };
        if let (Some(account), Some(credential)) = (headers.get(ACCOUNT), admitted.credential) {
            let account = self.hash_of_account(account);
            if self.accounts.get(credential) != Some(account) {
                self.accounts.set(credential, account);
                // What the credential was let in for counts for its account: a new one is no way around the limit.
                if let Some(limit) = known.limit(By::Account) {
                    self.buckets.take(
                        self.hasher.hash_one((By::Account, index, account)),
                        limit.rate,
                        self.now(),
                    );
                }
            }
        }
        // A component may have told of a limit of its own: that is the nearer one.
        if let Some((limit, remaining, full_in_s)) = admitted.nearest
            && !headers.contains_key(RATE_LIMIT)
            && remaining < limit.rate.burst() / 2
        {
            tell(headers, limit, remaining, full_in_s);
        }
    }

    /// Nanoseconds of this throttle's clock, from 1.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

impl<'a> Admitted<'a> {
    /// Keeps the limit of which the smaller part is left.
    fn note(&mut self, limit: &'a Limit, remaining: u32, full_in_s: u64) {
        let part =
            |limit: &Limit, remaining: u32| (u64::from(remaining) << 32) / u64::from(limit.rate.burst());
        let is_nearer =
            self.nearest.is_none_or(|(other, left, _)| part(limit, remaining) < part(other, left));
        if is_nearer {
            self.nearest = Some((limit, remaining, full_in_s));
        }
    }
}

/// `RateLimit` and `RateLimit-Policy`.
fn tell(headers: &mut HeaderMap, limit: &Limit, remaining: u32, seconds: u64) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{}\";r={remaining};t={seconds}", limit.name)) {
        headers.insert(RATE_LIMIT, value);
        headers.insert(RATE_LIMIT_POLICY, limit.policy.clone());
    }
}

fn too_many(known: &Known, by: By, limit: &Limit, retry_in_s: u64) -> Response<Body> {
    let whose = match by {
        By::Address => "from this address",
        By::Account => "for this account",
    };
    let detail = format!(
        "too many requests of the class '{}' {whose}; nothing was changed, try again in {retry_in_s} s",
        known.class.name
    );
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", &detail);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_in_s));
    tell(headers, limit, 0, retry_in_s);
    response
}

fn no_turn(class: &str) -> Response<Body> {
    let detail = format!(
        "the node has as many requests of the class '{class}' as it takes; nothing was changed, try again shortly"
    );
    problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", &detail)
}

fn no_share() -> Response<Body> {
    let detail = "your address has as many requests under way as the node takes; nothing was changed, send fewer at once";
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Reads a little of what a client that is refused is still sending: a connection that is closed meanwhile may take the
/// answer with it.
async fn drain(body: Body) {
    let mut rest = Limited::new(body, DRAINED_BYTES_MAX);
    let reading = async { while matches!(rest.frame().await, Some(Ok(_))) {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, reading).await.is_err() {
        tracing::debug!("a client that was refused was still sending");
    }
}

#[cfg(test)]
mod tests;
