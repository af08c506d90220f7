//! The application as another runtime serves it, and the relay beside it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_delivery::Listener;
use edge_node::relay::Sidecar;
use edge_node::{Config, Node};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::BodyExt as _;
use petwalker_tests::{Client, config};
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;

use crate::live::{Walk, points_at};
use crate::rides::{act, until};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(20);

/// The application as stock Spin serves it: every path is open, and nobody hands events over or fires timers.
struct Bare {
    node: Arc<Node>,
    url: String,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// Its configuration: the host around it does nothing of its own.
fn bare(data: &Path) -> Config {
    let mut config = config(data);
    config.internal.events_database = String::new();
    config.internal.tick_interval_ms = 0;
    let secret = String::from_utf8(SECRET.to_vec()).expect("text");
    config.variables.insert("relay_secret".to_owned(), secret);
    config
}

/// The relay's own.
fn relaying(data: &Path) -> Config {
    let mut config = config(data);
    config.internal.tick_interval_ms = 50;
    config
}

impl Bare {
    async fn start(data: &Path, address: SocketAddr) -> Self {
        // The schema and the region's row, as `edge migrate` makes them.
        Node::start(&config(data)).await.expect("starts").stop().await;
        let node = Arc::new(Node::start(&bare(data)).await.expect("starts"));
        let listener = Listener::bind(address, None).await.expect("a port");
        let url = format!("http://{}", listener.address());
        let (stop, stopped) = watch::channel(false);
        let served = node.clone();
        let handle = move |request: http::Request<hyper::body::Incoming>, _| {
            let node = served.clone();
            async move {
                let request = request.map(|body| body.map_err(edge_runtime::BodyError::from).boxed_unsync());
                node.app().call(edge_runtime::Lane::Public, request).await.expect("an answer")
            }
        };
        let task = tokio::spawn(listener.serve(handle, stopped, Duration::from_secs(5)));
        Self { node, url, stop, task }
    }

    fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().expect("an address")
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.expect("no panic");
        if let Some(node) = Arc::into_inner(self.node) {
            node.stop().await;
        }
    }
}

/// A proof as a relay makes it, at a time this far from now.
fn proof(path: &str, body: &[u8], off_ms: i64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let at = i64::try_from(now).expect("a time") + off_ms;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).expect("a key");
    mac.update(format!("petwalker-relay-v1\n{path}\n{at}\n").as_bytes());
    mac.update(body);
    let tag: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={tag}")
}

/// A walk from request to completion; where its invoice is.
async fn walk(client: &Client, lat: f64, lon: f64) -> (Client, String) {
    let walk = Walk::begin_on(client, lat, lon).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let invoice = walk.path("/invoice");
    (walk.tutor, invoice)
}

/// Beside another runtime nobody else has them told, and nobody says how far the stream is.
#[tokio::test(flavor = "multi_thread")]
async fn points_come_into_the_events_with_a_relays_ticks() {
    const PLACE: (f64, f64) = (-23.6, -46.9);
    let folder = tempfile::tempdir().expect("a folder");
    let app = Bare::start(folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let sidecar = Sidecar::start(&relaying(folder.path()), &app.url, SECRET).await.expect("starts");
    let walk = Walk::begin_on(&Client::of(&app.url), PLACE.0, PLACE.1).await;
    let body = json!({ "points": points_at(PLACE, 0, 1..=10)["points"] });
    let stored = walk.walker.post(&walk.path("/points"), &body).await.ok();
    assert_eq!(
        (&stored["contiguous_seq"], &stored["replicated_seq"]),
        (&json!(10), &json!(null)),
        "{stored}"
    );
    let file = libsql::Builder::new_local(folder.path().join("region.db")).build().await.expect("built");
    let told = "SELECT count(*) FROM tracks WHERE untold_since_ms IS NULL AND told_bytes = length(tail) AND told_bytes > 0";
    let started = Instant::now();
    loop {
        let connection = file.connect().expect("connected");
        let mut rows = connection.query(told, ()).await.expect("asked");
        if rows.next().await.expect("read").expect("a row").get::<u64>(0).expect("a number") == 1 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the points are in no event");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sidecar.stop().await.expect("no task failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_does_what_the_node_does_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = Bare::start(folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let client = Client::of(&app.url);
    let (first, first_invoice) = walk(&client, -23.1, -46.1).await;
    first.get(&first_invoice).await.refused(404, "not-found");

    let sidecar = Sidecar::start(&relaying(folder.path()), &app.url, SECRET).await.expect("starts");
    assert_eq!(sidecar.region, "sao-paulo-centro");
    let paid = until(&first, &first_invoice, |invoice| invoice["payment"] == "captured").await;
    // What happens while it waits is heard of.
    let (second, second_invoice) = walk(&client, -23.2, -46.2).await;
    until(&second, &second_invoice, |invoice| invoice["payment"] == "captured").await;
    sidecar.stop().await.expect("no task failed");

    // Another one goes on, and does nothing again; an application that is away meanwhile is waited for.
    let (third, third_invoice) = walk(&client, -23.3, -46.3).await;
    let (address, url) = (app.address(), app.url.clone());
    app.stop().await;
    let (data, relayed) = (folder.path().to_owned(), url.clone());
    let starting = tokio::spawn(async move { Sidecar::start(&relaying(&data), &relayed, SECRET).await });
    let app = Bare::start(folder.path(), address).await;
    let sidecar = starting.await.expect("no panic").expect("starts");
    until(&third, &third_invoice, |invoice| invoice["payment"] == "captured").await;
    assert_eq!(first.get(&first_invoice).await.ok(), paid);
    let operator = Client::of(&url).join_as_operator(folder.path()).await;
    let ledger = operator.get("/v1/ledger/check").await.ok();
    let sums = ledger["sums"].as_array().expect("sums");
    assert!(!sums.is_empty() && sums.iter().all(|sum| sum["minor"] == 0), "{ledger}");
    let consumers = sidecar.relays.iter().find(|(to, _)| *to == "consumers").expect("one").1.clone();
    assert!(consumers.delivered() > 10 && !consumers.is_failing());
    sidecar.stop().await.expect("no task failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_holds_the_secret_is_answered_and_only_just_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = Bare::start(folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let client = Client::of(&app.url);
    let post = async |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        client.raw(Method::POST, path, headers, body.to_vec()).await
    };
    let tick = "/internal/tick";
    assert_eq!(post(tick, &[("edge-relay", &proof(tick, b"", 0))], b"").await.status, 200);
    for given in ["", "t=1,v1=00", &proof(tick, b"x", 0), &proof("/internal/events", b"", 0)] {
        post(tick, &[("edge-relay", given)], b"").await.refused(404, "not-found");
    }
    post(tick, &[], b"").await.refused(404, "not-found");
    post(tick, &[("edge-internal", "")], b"").await.refused(404, "not-found");
    for off_ms in [-61_000, 300_000] {
        post(tick, &[("edge-relay", &proof(tick, b"", off_ms))], b"").await.refused(401, "not-fresh");
    }
    // What only the node around the components may ask, no relay may.
    for path in ["/internal/take-over", "/internal/track", "/internal/sockets"] {
        post(path, &[("edge-relay", &proof(path, b"", 0))], b"").await.refused(404, "not-found");
    }
    let outbox = "/internal/outbox";
    post(outbox, &[("edge-relay", &proof(outbox, b"\xff", 0))], b"\xff").await.refused(400, "malformed");

    let config = relaying(folder.path());
    let wrong = Sidecar::start(&config, &app.url, b"another-secret-of-thirty-two-bytes").await.err();
    let wrong = format!("{:#}", wrong.expect("refused"));
    assert!(wrong.contains("SPIN_VARIABLE_RELAY_SECRET"), "{wrong}");
    let short = Sidecar::start(&config, &app.url, b"short").await.err().expect("refused").to_string();
    assert!(short.contains("openssl rand -hex 32"), "{short}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_publishes_the_stream() {
    let test = "a_relay_publishes_the_stream";
    let Ok(broker) = std::env::var("PETWALKER_FLUVIO") else {
        eprintln!("skipped: {test} (set PETWALKER_FLUVIO to a cluster's address)");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let app = Bare::start(folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let mut config = relaying(folder.path());
    config.stream.fluvio = broker;
    config.stream.topic_prefix = format!("relay-{}-", std::process::id());
    let sidecar = Sidecar::start(&config, &app.url, SECRET).await.expect("starts");
    walk(&Client::of(&app.url), -23.4, -46.4).await;
    let stream = sidecar.relays.iter().find(|(to, _)| *to == "stream").expect("one").1.clone();
    let started = Instant::now();
    while stream.delivered() < 8 {
        assert!(started.elapsed() < PATIENCE, "{} events published", stream.delivered());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sidecar.stop().await.expect("no task failed");
    // Another one finds in the topic how far it is.
    let sidecar = Sidecar::start(&config, &app.url, SECRET).await.expect("starts");
    let stream = sidecar.relays.iter().find(|(to, _)| *to == "stream").expect("one").1.clone();
    stream.reached(8).await;
    assert_eq!(stream.failures(), 0);
    sidecar.stop().await.expect("no task failed");
    app.stop().await;
}
