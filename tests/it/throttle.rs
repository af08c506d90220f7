//! Limits by address, by account, on what computes for long, and on a disk that fills.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use edge_node::Config;
use edge_node::config::{Rate, ThrottleClass, ThrottleSection};
use petwalker_tests::{Answer, Client, TestNode, config, misbehave_config};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::live::Walk;

/// A class of that name whose every request of `methods` under a route counts.
fn class(name: &str, methods: &[&str], route: &str, address: u32, account: Option<u32>) -> ThrottleClass {
    // Slow enough that nothing comes back during a test.
    let rate = |burst| Rate { burst, per_minute: 1 };
    ThrottleClass {
        name: name.to_owned(),
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        routes: vec![route.to_owned()],
        upgrade: false,
        address: Some(rate(address)),
        account: account.map(rate),
        turns: false,
    }
}

fn with_classes(mut config: Config, classes: Vec<ThrottleClass>) -> Config {
    config.throttle.factor = 1;
    config.throttle.classes = classes;
    config
}

/// A component that answers `/fine`, and a limit of five requests an address.
fn five_each(data: &Path) -> Config {
    with_classes(misbehave_config(data), vec![class("read", &["GET"], "/fine", 5, None)])
}

/// The address of a number, the same in every test of this file and in no other one.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7F28_0000 + number)
}

async fn fine(node: &TestNode, from: u32) -> Answer {
    Client::coming_from(&node.url, address(from)).get("/fine").await
}

/// The status of a request from an address, on a connection of its own.
async fn status_of(server: SocketAddr, from: Ipv4Addr) -> u16 {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("bound");
    let mut stream = socket.connect(server).await.expect("connected");
    let request = "GET /fine HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_addresses_leave_the_others_alone() {
    let node = TestNode::start(five_each).await;
    let server: SocketAddr = node.url.trim_start_matches("http://").parse().expect("an address");
    let (mut flood, mut refused) = (tokio::task::JoinSet::new(), 0);
    for worker in 0..16_u32 {
        flood.spawn(async move {
            let mut refused = 0;
            for number in (worker..10_000).step_by(16) {
                // Every tenth address asks for more than it may have.
                let times = if number % 10 == 0 { 7 } else { 1 };
                for _ in 0..times {
                    match status_of(server, address(10_000 + number)).await {
                        200 => {}
                        429 => refused += 1,
                        other => panic!("{other}"),
                    }
                }
            }
            refused
        });
    }
    // Others, all the while, within what one may ask.
    let mut asked = 0;
    while !flood.is_empty() {
        assert_eq!(status_of(server, address(asked % 9_000)).await, 200, "who asks little is answered");
        asked += 1;
        assert!(asked < 9_000 * 5, "the flood takes too long");
        while let Some(done) = flood.try_join_next() {
            refused += done.expect("no panic");
        }
    }
    assert_eq!(refused, 1_000 * 2, "each of the thousand that asked seven times got five answers");
    // Who had spent its part before the others came is not given it anew by them.
    assert_eq!(status_of(server, address(10_000)).await, 429);
    let metrics = node.metrics().await;
    assert!(metrics.contains("throttle_refused_total{class=\"read\",by=\"address\"}"), "{metrics}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let node = TestNode::start(five_each).await;
    for asked in 1..=5 {
        let answer = fine(&node, 1).await;
        assert_eq!(answer.status, 200);
        let told = answer.headers.get("ratelimit").map(|value| value.to_str().expect("text"));
        assert_eq!(told.is_some(), asked > 3, "{told:?} after {asked}");
    }
    let client = Client::coming_from(&node.url, address(1));
    let refusal = client.raw(Method::GET, "/fine", &[("origin", "https://app.example")], Vec::new()).await;
    refusal.refused(429, "too-many-requests");
    let seconds = refusal.headers["retry-after"].to_str().expect("text").to_owned();
    assert!((50..=60).contains(&seconds.parse::<u64>().expect("a number")), "{seconds}");
    for (name, expected) in [
        ("ratelimit", format!("\"read\";r=0;t={seconds}")),
        ("ratelimit-policy", "\"read\";q=5;w=300".to_owned()),
        ("access-control-allow-origin", "*".to_owned()),
        (
            "access-control-expose-headers",
            "retry-after, ratelimit, ratelimit-policy, x-request-id".to_owned(),
        ),
    ] {
        assert_eq!(refusal.headers[name], expected, "{name}");
    }
    assert_eq!(fine(&node, 2).await.status, 200);
    // A problem of another kind that the node answers can be read by pages as well, and by nobody without need.
    let client = Client::coming_from(&node.url, address(3));
    let other =
        client.raw(Method::GET, "/nowhere/else", &[("origin", "https://app.example")], vec![0; 9]).await;
    assert_eq!(other.headers.contains_key("access-control-allow-origin"), other.code() == "no-route");
    assert!(!fine(&node, 4).await.headers.contains_key("access-control-allow-origin"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_proxies_are_believed() {
    let node = TestNode::start(|data| {
        let mut config = five_each(data);
        config.listen.trusted_proxies = vec!["127.41.0.0/16".to_owned()];
        config
    })
    .await;
    let (proxy, stranger) = (Ipv4Addr::new(127, 41, 0, 1), address(5));
    let ask = async |by: Ipv4Addr, of: &str| {
        let client = Client::coming_from(&node.url, by);
        client.raw(Method::GET, "/fine", &[("x-forwarded-for", of)], Vec::new()).await.status
    };
    for number in 0..5 {
        assert_eq!(ask(proxy, "203.0.113.1").await, 200);
        // Whatever it writes, it is one address; and what a client of the proxy writes stands before the proxy's word.
        assert_eq!(ask(stranger, &format!("203.0.113.{number}")).await, 200);
        assert_eq!(ask(proxy, &format!("192.0.2.{number}, 203.0.113.2, 127.41.0.9")).await, 200);
    }
    assert_eq!(ask(proxy, "203.0.113.1").await, 429);
    assert_eq!(ask(stranger, "203.0.113.77").await, 429);
    assert_eq!(ask(proxy, "192.0.2.77, 203.0.113.2, 127.41.0.9").await, 429);
    assert_eq!(ask(proxy, "203.0.113.3").await, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_one_account_share_its_limit() {
    let node = TestNode::start(|data| {
        with_classes(config(data), vec![class("read", &["GET"], "/v1/me", 100, Some(6))])
    })
    .await;
    let body = json!({ "email": "many@test.example", "password": "correct horse", "display_name": "M", "role": "tutor" });
    node.client().post("/v1/accounts", &body).await.ok();
    let who = json!({ "email": "many@test.example", "password": "correct horse" });
    let (started, mut tokens) = (std::time::Instant::now(), Vec::new());
    // Two of the same second may be one and the same token.
    while tokens.len() < 3 {
        let log_in = node.client().post("/v1/sessions", &who).await.ok();
        let token = log_in["access_token"].as_str().expect("a token").to_owned();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
        assert!(started.elapsed().as_secs() < 60, "{} different tokens", tokens.len());
    }
    let mut statuses = Vec::new();
    for number in 0..12_u32 {
        let token = &tokens[number as usize % tokens.len()];
        let client = Client::coming_from(&node.url, address(10 + number)).with_token(token);
        let answer = client.get("/v1/me").await;
        assert!(!answer.headers.contains_key("edge-account"), "{:?}", answer.headers);
        statuses.push(answer.status);
    }
    // Each token is let in once before its account is known, and its account pays for that as well.
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 6, "{statuses:?}");
    assert_eq!(statuses[6..], [429; 6]);
    let other = node.client().join("tutor").await;
    assert_eq!(other.get("/v1/me").await.status, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_and_one_account_have_so_many_sockets() {
    let start = |per_address, per_account| {
        TestNode::start(move |data| {
            let mut config = config(data);
            config.sockets.sockets_per_address_max = per_address;
            config.sockets.sockets_per_account_max = per_account;
            config
        })
    };
    for (per_address, per_account, whose) in [(100, 2, "account"), (2, 100, "address")] {
        let node = start(per_address, per_account).await;
        let walk = Walk::begin_on(&node.client(), -23.61, -46.61).await;
        let path = walk.path("/live");
        let open = || walk.tutor.socket(&path, "petwalker.v1.json");
        let (Ok(first), Ok(second)) = (open().await, open().await) else { panic!("two may be open") };
        let (status, problem) = open().await.err().expect("one too many");
        assert_eq!((status, &problem["code"]), (429, &json!("too-many-sockets")), "{problem}");
        assert!(problem["detail"].as_str().expect("words").contains(whose), "{problem}");
        let other = walk.walker.socket(&walk.path("/track"), "petwalker.v1.json").await;
        assert_eq!(other.is_ok(), whose == "account", "another account, and the same address");
        drop((first, second));
        // The node learns that they have gone.
        let deadline = Instant::now() + Duration::from_secs(10);
        while open().await.is_err() {
            assert!(Instant::now() < deadline, "a socket that ended is still counted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_waits_for_itself_only() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        (config.throttle.at_once_per_address, config.throttle.waiting_per_address_max) = (1, 1);
        config
    })
    .await;
    let tutor = node.client().join("tutor").await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let tutor = tutor.clone();
        crowd.spawn(async move { tutor.get("/v1/pets").await });
    }
    for number in 0..20 {
        let other = Client::coming_from(&node.url, address(200 + number));
        assert_eq!(other.get("/v1/hello").await.status, 200, "another address is not concerned");
    }
    let answers = crowd.join_all().await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!((1..=30).contains(&refused.len()), "{} of 32 were refused", refused.len());
    for answer in refused {
        answer.refused(429, "too-many-requests");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    tutor.get("/v1/pets").await.ok();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_take_turns_and_nobody_else_waits() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.throttle = ThrottleSection {
            turns_at_once: 1,
            turns_waiting_max: 1,
            turn_wait_ms: 50,
            factor: 1_000,
            ..ThrottleSection::default()
        };
        config
    })
    .await;
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..16_u32 {
        let client = Client::coming_from(&node.url, address(100 + number));
        let guess = json!({ "email": format!("nobody-{number}@test.example"), "password": "x y z" });
        guesses.spawn(async move { client.post("/v1/sessions", &guess).await });
    }
    for _ in 0..20 {
        assert_eq!(node.client().get("/v1/hello").await.status, 200);
    }
    let answers = guesses.join_all().await;
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(of(401) + of(503), 16, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert!(of(401) >= 1 && of(503) >= 1, "{} were answered, {} had no turn", of(401), of(503));
    for answer in answers.iter().filter(|answer| answer.status == 503) {
        answer.refused(503, "overloaded");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_stops_what_stores() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        // More than any disk has: it is nearly full from the first.
        (config.disk.free_mib_min, config.disk.free_percent_min) = (1 << 30, 100);
        config
    })
    .await;
    let client = node.client();
    for (method, path) in [
        (Method::POST, "/v1/accounts"),
        (Method::POST, "/v1/quotes"),
        (Method::PUT, "/v1/products"),
        (Method::PUT, "/v1/rides/a/marks/b/photo"),
    ] {
        let kind = [("content-type", "application/json")];
        let refusal = client.raw(method.clone(), path, &kind, b"{}".to_vec()).await;
        refusal.refused(503, "storage-full");
        assert_eq!(refusal.headers["retry-after"], "30", "{method} {path}");
    }
    // What reads, what erases, and who signs in are answered as ever.
    client.get("/v1/hello").await.ok();
    client.delete("/v1/walkers/me/presence").await.refused(401, "unauthenticated");
    client
        .post("/v1/me/erasure", &json!({ "password": "wrong horse" }))
        .await
        .refused(401, "unauthenticated");
    let guess = json!({ "email": "nobody@test.example", "password": "wrong horse" });
    client.post("/v1/sessions", &guess).await.refused(401, "bad-credentials");
    let query = client.post("/graphql", &json!({ "query": "{ __typename }" })).await.ok();
    assert_eq!(query["data"]["__typename"], "Query", "{query}");
    let log_in = "mutation { logIn(input: { email: \"nobody@test.example\", password: \"wrong horse\" }) { accountId } }";
    let refused = client.post("/graphql", &json!({ "query": log_in })).await.json;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "bad-credentials", "{refused}");
    let sign_up = "mutation { signUp(input: { email: \"a@test.example\", password: \"correct horse\", displayName: \"a\", role: TUTOR }) { id } }";
    let refused = client.post("/graphql", &json!({ "query": sign_up })).await;
    refused.refused(503, "storage-full");
    let ready = Client::of(&node.admin).get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert!(ready.text.contains("the disk is nearly full"), "{}", ready.text);
    let metrics = node.metrics().await;
    assert!(metrics.contains("disk_full 1") && metrics.contains("disk_free_bytes "), "{metrics}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_asks_the_listener_and_the_components() {
    let node = TestNode::start(|data| {
        let mut config = misbehave_config(data);
        config.listen.connections_max = 4;
        config
    })
    .await;
    let ready = async || Client::of(&node.admin).get("/readyz").await;
    assert_eq!((ready().await.status, ready().await.text.as_str()), (200, "ready\n"));
    let address = node.url.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    while held.len() < 4 {
        held.push(TcpStream::connect(&address).await.expect("connected"));
    }
    let full = async |wanted: bool| {
        let started = std::time::Instant::now();
        loop {
            let answer = ready().await;
            if answer.text.contains("connections of the public listener are taken") == wanted {
                return answer.status;
            }
            assert!(started.elapsed().as_secs() < 20, "{}", answer.text);
        }
    };
    assert_eq!(full(true).await, 503);
    drop(held);
    assert_eq!(full(false).await, 200);
    node.stop().await;
    // A component that fails is not ready.
    let node = TestNode::start(|data| {
        let mut config = misbehave_config(data);
        config.listen.ready_path = "/trap".to_owned();
        config
    })
    .await;
    let answer = Client::of(&node.admin).get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.starts_with("not ready: component"), "{}", answer.text);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_hold_up_no_operator() {
    let node = TestNode::start(misbehave_config).await;
    let address = node.admin.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        let request = "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(request.as_bytes()).await.expect("written");
        held.push(stream);
    }
    assert_eq!(Client::of(&node.admin).get("/healthz").await.status, 200);
    for mut stream in held {
        let mut told = Vec::new();
        // It is answered without the rest of the body, and the connection is at an end.
        stream.read_to_end(&mut told).await.expect("read");
        assert!(told.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&told));
    }
    node.stop().await;
}
