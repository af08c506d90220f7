//! Requests against a throttle, without a node.

use std::net::IpAddr;
use std::time::Duration;

use edge_runtime::route::Pattern;
use edge_runtime::{Body, empty_body};
use http::{HeaderName, HeaderValue, Method, Request, Response};

use super::{ACCOUNT, Class, Proxies, Rate, Throttle, ThrottleOptions, TurnOptions};

fn class(name: &str, method: Option<Method>, route: &str, address: u32, account: Option<u32>) -> Class {
    Class {
        name: name.to_owned(),
        methods: method.into_iter().collect(),
        routes: vec![Pattern::parse(route).expect("a route")],
        upgrade: false,
        by_address: Some(Rate::new(address, 1)),
        by_account: account.map(|burst| Rate::new(burst, 1)),
        takes_turns: name == "log-in",
    }
}

fn throttle() -> Throttle {
    Throttle::new(ThrottleOptions {
        classes: vec![
            class("log-in", Some(Method::POST), "/sessions", 2, None),
            class("read", Some(Method::GET), "/...", 10, Some(3)),
        ],
        buckets_max: 4096,
        shares: TurnOptions { at_once: 8, waiting_max: 8, wait: Duration::from_millis(10) },
        turns: TurnOptions { at_once: 1, waiting_max: 0, wait: Duration::from_millis(10) },
        proxies: Proxies { trusted: Vec::new(), header: HeaderName::from_static("x-forwarded-for") },
        cors_origin: Some(HeaderValue::from_static("*")),
    })
}

/// Asks with a credential whose account the component tells.
async fn ask(
    throttle: &Throttle,
    method: Method,
    path: &str,
    from: &str,
    who: Option<(&str, &str)>,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("origin", "https://app.example");
    if let Some((credential, _)) = who {
        request = request.header("authorization", credential);
    }
    let request = request.body(empty_body()).expect("a request");
    let client: IpAddr = from.parse().expect(from);
    throttle
        .guard(request, client, async |_| {
            let mut response = Response::new(empty_body());
            if let Some((_, account)) = who {
                response.headers_mut().insert(ACCOUNT, account.parse().expect("a value"));
            }
            response
        })
        .await
}

fn header(response: &Response<Body>, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn an_address_has_its_own_limit_and_no_other_ones() {
    let throttle = throttle();
    let status =
        async |from: &str| ask(&throttle, Method::POST, "/sessions", from, None).await.status().as_u16();
    let seen = [status("192.0.2.1").await, status("192.0.2.1").await, status("192.0.2.1").await];
    assert_eq!(seen, [200, 200, 429]);
    assert_eq!(status("192.0.2.2").await, 200);
    // Other classes of the same address go on.
    assert_eq!(ask(&throttle, Method::GET, "/x", "192.0.2.1", None).await.status(), 200);
    // A network of IPv6 is one client.
    let seen = [status("2001:db8::1").await, status("2001:db8::2").await, status("2001:db8::3").await];
    assert_eq!(seen, [200, 200, 429]);
}

#[tokio::test]
async fn who_is_refused_is_told_when_to_come_back() {
    let throttle = throttle();
    for _ in 0..2 {
        ask(&throttle, Method::POST, "/sessions", "192.0.2.1", None).await;
    }
    let refusal = ask(&throttle, Method::POST, "/sessions", "192.0.2.1", None).await;
    assert_eq!(refusal.status(), 429);
    for (name, expected) in [
        ("retry-after", "60"),
        ("ratelimit", "\"log-in\";r=0;t=60"),
        ("ratelimit-policy", "\"log-in\";q=2;w=120"),
        ("content-type", "application/problem+json"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "retry-after, ratelimit, ratelimit-policy, x-request-id"),
    ] {
        assert_eq!(header(&refusal, name), expected, "{name}");
    }
}

#[tokio::test]
async fn who_comes_near_a_limit_is_told_before() {
    let throttle = throttle();
    let mut told = Vec::new();
    for _ in 0..10 {
        let answer = ask(&throttle, Method::GET, "/x", "192.0.2.1", None).await;
        told.push(header(&answer, "ratelimit"));
    }
    assert!(told[..5].iter().all(String::is_empty), "{told:?}");
    assert!(told[5].starts_with("\"read\";r=4;t="), "{told:?}");
    assert!(told[9].starts_with("\"read\";r=0;t="), "{told:?}");
}

#[tokio::test]
async fn all_credentials_of_an_account_share_its_limit() {
    let throttle = throttle();
    let mut statuses = Vec::new();
    // Each time from another address, so that only the account counts.
    for number in 0..6_u8 {
        let (from, credential) = (format!("192.0.2.{number}"), format!("Bearer {number}"));
        let answer = ask(&throttle, Method::GET, "/x", &from, Some((&credential, "one"))).await;
        statuses.push(answer.status().as_u16());
    }
    // Each credential is let in once before its account is known, and its account pays for it.
    assert_eq!(statuses, [200; 6]);
    for number in 0..6_u8 {
        let (from, credential) = (format!("198.51.100.{number}"), format!("Bearer {number}"));
        let answer = ask(&throttle, Method::GET, "/x", &from, Some((&credential, "one"))).await;
        assert_eq!(answer.status(), 429);
        assert!(header(&answer, "ratelimit").starts_with("\"read-account\";r=0;"), "{:?}", answer.headers());
    }
    let other = ask(&throttle, Method::GET, "/x", "203.0.113.1", Some(("Bearer other", "two"))).await;
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn ten_thousand_addresses_do_not_refuse_anybody_else() {
    let throttle = throttle();
    for number in 0..10_000_u32 {
        let from = IpAddr::from((0x0A00_0000 + number).to_be_bytes()).to_string();
        ask(&throttle, Method::POST, "/sessions", &from, None).await;
    }
    for _ in 0..2 {
        assert_eq!(ask(&throttle, Method::POST, "/sessions", "192.0.2.1", None).await.status(), 200);
    }
}

#[tokio::test]
async fn only_what_computes_for_long_takes_turns() {
    let throttle = throttle();
    let turn = async |method: &Method, path: &str| throttle.turn(method, path, &http::HeaderMap::new()).await;
    let held = turn(&Method::POST, "/sessions").await.expect("a turn").expect("it computes for long");
    assert!(turn(&Method::GET, "/x").await.expect("not refused").is_none());
    let refusal = turn(&Method::POST, "/sessions").await.expect_err("no turn is free");
    assert_eq!(refusal.status(), 503);
    assert_eq!(header(&refusal, "retry-after"), "1");
    drop(held);
    assert!(turn(&Method::POST, "/sessions").await.expect("a turn").is_some());
}
