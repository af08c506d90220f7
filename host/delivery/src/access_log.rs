//! One line in the log for each request: what was asked, by whom, from where, and what came of it.
//!
//! A path is never written whole: ids lead to people, and a client may send thirty kilobytes of it. An account is what the
//! component calls it for the log.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::throttle::ACCOUNT;

/// The header with a request's id, given by the node unless the client's own is fit to be logged.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a client's own request id.
const REQUEST_ID_MAX: usize = 64;
/// Characters of a method that is logged.
const METHOD_MAX: usize = 16;
/// Segments of a path that are logged, and characters of each.
const SEGMENTS: usize = 2;
const SEGMENT_MAX: usize = 32;

/// Notes each request: its figures, looked up once, and a line in the log.
pub(crate) struct AccessLog {
    /// Requests by the class of their status: 1xx to 5xx.
    by_class: [metrics::Counter; 5],
    seconds: metrics::Histogram,
}

/// A request that is being answered.
pub(crate) struct Noted {
    method: Method,
    route: String,
    client: IpAddr,
    id: HeaderValue,
    started: Instant,
}

impl AccessLog {
    pub(crate) fn new() -> Self {
        let by_class = ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .map(|class| metrics::counter!("http_requests_total", "status" => class));
        Self { by_class, seconds: metrics::histogram!("http_request_seconds") }
    }

    /// Begins to note a request, which gets its id.
    pub(crate) fn begin<B>(&self, request: &mut Request<B>, client: IpAddr) -> Noted {
        let id = request.headers().get(REQUEST_ID).filter(|id| is_fit(id)).cloned();
        let id = id.unwrap_or_else(fresh_id);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        Noted {
            method: request.method().clone(),
            route: route(request.uri().path()),
            client,
            id,
            started: Instant::now(),
        }
    }

    /// Notes what came of it. The answer tells the id, and not who called.
    pub(crate) fn end<B>(&self, noted: Noted, response: &mut Response<B>) {
        let Noted { method, route, client, id, started } = noted;
        let elapsed = started.elapsed();
        self.count(response.status(), elapsed);
        let headers = response.headers_mut();
        let account = headers.remove(ACCOUNT);
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
        headers.insert(REQUEST_ID, id.clone());
        tracing::info!(
            http.method = method_name(&method),
            http.route = route,
            http.status = response.status().as_u16(),
            request.id = id.to_str().unwrap_or_default(),
            client.address = %client,
            account = account.as_ref().and_then(|account| account.to_str().ok()).unwrap_or("-"),
            elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }

    fn count(&self, status: StatusCode, elapsed: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(elapsed.as_secs_f64());
    }
}

/// Whether a client's own request id is short and plain enough to be logged and sent back.
fn is_fit(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A number of this process, random, and one of the request, both in hexadecimal. An id names a request; it need not be hard
/// to guess.
fn fresh_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request ids"));
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let request = REQUESTS.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{:016x}{request:016x}", *PROCESS)).unwrap_or(HeaderValue::from_static("-"))
}

/// A method as it is logged: those there are, each shorter than what a client may make up.
fn method_name(method: &Method) -> &str {
    if method.as_str().len() <= METHOD_MAX { method.as_str() } else { "*" }
}

/// The first segments of a path, each short and plain, or what stands for it.
fn route(path: &str) -> String {
    let mut route = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()).take(SEGMENTS) {
        let plain = segment.len() <= SEGMENT_MAX
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        route.push('/');
        route.push_str(if plain { segment } else { "*" });
    }
    if route.is_empty() { "/".to_owned() } else { route }
}

#[cfg(test)]
mod tests {
    use super::{AccessLog, REQUEST_ID, is_fit, route};
    use http::{HeaderValue, Request, Response};

    #[test]
    fn a_route_is_the_beginning_of_a_path() {
        for (path, expected) in [
            ("/v1/things/0197b9a1-7c00-7000-8000-000000000001/live", "/v1/things"),
            ("/graphql", "/graphql"),
            ("/", "/"),
            ("//v1//hello", "/v1/hello"),
            ("/v1/%41", "/v1/*"),
        ] {
            assert_eq!(route(path), expected);
        }
        assert_eq!(route(&format!("/{}", "a".repeat(30_000))), "/*");
    }

    #[test]
    fn a_clients_own_id_is_used_where_it_is_fit() {
        let log = AccessLog::new();
        let told = |own: &str| {
            let mut request = Request::get("/v1/hello").header(REQUEST_ID, own).body(()).expect("a request");
            let noted = log.begin(&mut request, [127, 0, 0, 1].into());
            let mut response = Response::builder().header("edge-account", "x").body(()).expect("a response");
            log.end(noted, &mut response);
            assert!(!response.headers().contains_key("edge-account"));
            assert_eq!(request.headers()[REQUEST_ID], response.headers()[REQUEST_ID]);
            response.headers()[REQUEST_ID].to_str().expect("text").to_owned()
        };
        assert_eq!(told("a-1.b_2"), "a-1.b_2");
        let (first, second) = (told("two words"), told(&"a".repeat(65)));
        assert!(first.len() == 32 && second.len() == 32 && first != second, "{first} {second}");
        assert!(!is_fit(&HeaderValue::from_static("")));
    }
}
