//! Who may ask what on the admin listener.
//!
//! What changes something needs the token that the node keeps in its data folder. Everything else is for whoever reaches the
//! listener, but not for pages: a browser names the page's origin, and a name that somebody pointed at this address comes as
//! the host.

use std::net::IpAddr;

use edge_runtime::Body;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use subtle::ConstantTimeEq as _;

use crate::problem::problem;

/// Bytes of the shortest token that opens anything.
pub const TOKEN_BYTES_MIN: usize = 32;

/// Who may ask what.
pub struct AdminGuard {
    /// Names, beside addresses and `localhost`, under which the listener is reached; lower case, without a port.
    hosts: Vec<String>,
    /// What opens the operations that change something; none opens nothing.
    token: Option<String>,
}

impl AdminGuard {
    /// Lets in who reaches the listener by an address, by `localhost`, or by one of these names; what changes something needs
    /// the token. Without one, or with one that is too short, nothing is changed.
    #[must_use]
    pub fn new(hosts: &[String], token: Option<String>) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { hosts, token: token.filter(|token| token.len() >= TOKEN_BYTES_MIN) }
    }

    /// Why a request is not answered; none where it is.
    #[must_use]
    pub fn refuse<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let forbidden = |detail: &str| Some(problem(StatusCode::FORBIDDEN, "forbidden", detail));
        let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().map(host_of).collect();
        let named = match (hosts.as_slice(), request.uri().authority()) {
            ([host], _) => host.clone(),
            ([], Some(authority)) => Some(authority.host().to_ascii_lowercase()),
            _ => None,
        };
        if !named.is_some_and(|host| is_address(&host) || self.is_ours(&host)) {
            return forbidden(
                "the Host header is not an address, localhost, or one of listen.admin_hosts in the node file",
            );
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        if !origins.all(|origin| origin_host(origin).is_some_and(|host| self.is_ours(&host))) {
            return forbidden("pages of other origins may not ask here");
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        (changes && !self.is_known(request.headers().get(header::AUTHORIZATION))).then(|| {
            let detail =
                "send Authorization: Bearer and the token in secrets/admin_token of the node's data folder";
            let mut refusal = problem(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
            refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refusal
        })
    }

    /// A name or address of this machine's own, or one that the node file gives.
    fn is_ours(&self, host: &str) -> bool {
        let loopback = address(host).is_some_and(|address| address.is_loopback());
        loopback || host == "localhost" || self.hosts.iter().any(|known| known == host)
    }

    fn is_known(&self, given: Option<&HeaderValue>) -> bool {
        let given = given.and_then(|given| given.to_str().ok()?.split_once(' '));
        let (Some((scheme, given)), Some(token)) = (given, &self.token) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && given.trim().as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// The host of a Host header, in lower case; none for what is no authority.
fn host_of(value: &HeaderValue) -> Option<String> {
    let authority: Authority = value.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

/// The host of an origin, in lower case; none for `null` and for what is none.
fn origin_host(value: &HeaderValue) -> Option<String> {
    let origin: Uri = value.to_str().ok()?.parse().ok()?;
    origin.scheme()?;
    Some(origin.host()?.to_ascii_lowercase())
}

/// An address needs no name, and so cannot be a name that somebody pointed here.
fn is_address(host: &str) -> bool {
    address(host).is_some()
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::AdminGuard;
    use http::{Method, Request};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn status(guard: &AdminGuard, method: Method, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/regions/r/hand-over?to=edge-2");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refusal = guard.refuse(&request.body(()).expect("a request"));
        refusal.map_or(200, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn what_changes_something_needs_the_token() {
        let guard = AdminGuard::new(&[], Some(TOKEN.to_owned()));
        let host = ("host", "127.0.0.1:3001");
        let bearer = format!("Bearer {TOKEN}");
        let cases: [(Method, Option<&str>, u16); 8] = [
            (Method::GET, None, 200),
            (Method::HEAD, None, 200),
            (Method::POST, None, 401),
            (Method::DELETE, None, 401),
            (Method::POST, Some("Bearer 0123456789abcdef0123456789abcdeF"), 401),
            (Method::POST, Some("Basic 0123456789abcdef0123456789abcdef"), 401),
            (Method::POST, Some("Bearer "), 401),
            (Method::POST, Some(&bearer), 200),
        ];
        for (method, authorization, expected) in cases {
            let mut headers = vec![host];
            headers.extend(authorization.map(|value| ("authorization", value)));
            assert_eq!(status(&guard, method, &headers), expected, "{authorization:?}");
        }
        for token in [None, Some(String::new()), Some("short".to_owned())] {
            let guard = AdminGuard::new(&[], token);
            for given in ["Bearer ", "Bearer short"] {
                assert_eq!(status(&guard, Method::POST, &[host, ("authorization", given)]), 401);
            }
        }
    }

    #[test]
    fn foreign_hosts_and_origins_are_refused() {
        let guard = AdminGuard::new(&["GRU-1".to_owned()], Some(TOKEN.to_owned()));
        for (host, expected) in [
            ("127.0.0.1:3001", 200),
            ("[::1]:3001", 200),
            ("10.1.2.3", 200),
            ("LOCALHOST:3001", 200),
            ("gru-1:3001", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("gru-1.evil.example:3001", 403),
            ("", 403),
        ] {
            assert_eq!(status(&guard, Method::GET, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&guard, Method::GET, &[]), 403);
        assert_eq!(status(&guard, Method::GET, &[("host", "127.0.0.1"), ("host", "evil.example")]), 403);
        for (origin, expected) in [
            ("http://127.0.0.1:3001", 200),
            ("http://localhost:8080", 200),
            ("https://gru-1", 200),
            ("https://evil.example", 403),
            ("http://10.1.2.3", 403),
            ("null", 403),
            ("", 403),
        ] {
            let headers = [("host", "127.0.0.1:3001"), ("origin", origin)];
            assert_eq!(status(&guard, Method::GET, &headers), expected, "{origin}");
        }
    }
}
