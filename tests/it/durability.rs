//! What an acknowledgement is worth, with a broker and without one.

use std::path::Path;
use std::time::{Duration, Instant};

use edge_node::Config;
use edge_node::config::{Policy, Worth};
use petwalker_tests::{TestNode, config};
use serde_json::json;

use crate::edges::insist;

const HEADER: &str = "petwalker-durability";
const PATIENCE: Duration = Duration::from_secs(20);
const PLACE: (f64, f64) = (-23.5505, -46.6333);

/// A node that acknowledges commands once that broker has them.
fn with_broker(broker: &str, policy: Policy) -> impl FnOnce(&Path) -> Config {
    let broker = broker.to_owned();
    move |data| {
        let mut config = config(data);
        config.stream.fluvio = broker;
        config.stream.replicas = 2;
        // A topic of its own.
        config.node.region =
            format!("test-{}", std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos());
        config.durability.when_unavailable = policy;
        for class in config.durability.classes.iter_mut().filter(|class| class.name != "tracks") {
            class.level = Worth::Stream;
        }
        config
    }
}

/// An address where nobody answers.
fn nowhere() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    free.to_string()
}

/// Waits until the node has noticed that its broker is away.
async fn noticed(node: &TestNode) {
    let started = Instant::now();
    loop {
        if node.metrics().await.contains("stream_delivery_failing{to=\"stream\"} 1") {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_broker_a_node_refuses_commands_and_answers_reads() {
    let node = TestNode::start(with_broker(&nowhere(), Policy::Refuse)).await;
    noticed(&node).await;
    let (tutor, pet) = node.client().tutor_with_pet().await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    // A quote is a promise: it is kept where rides are.
    tutor.post("/v1/quotes", &wanted).await.refused(503, "not-durable");
    // Refused at the door, before anybody looks whether there is such a quote.
    let quote = "01a21041-974e-7000-a457-d02dc8a3b683";
    let refused = tutor.post("/v1/rides", &json!({ "quote_id": quote, "pet_ids": [pet] })).await;
    refused.refused(503, "not-durable");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(tutor.get("/v1/rides").await.ok()["rides"], json!([]), "nothing was changed");
    // A read over the path that takes commands too waits for nothing.
    let read = tutor.post("/graphql", &json!({ "query": "{ pets { id } }" })).await;
    assert!(
        !read.headers.contains_key(HEADER) && !read.headers.contains_key("edge-read"),
        "{:?}",
        read.headers
    );
    assert_eq!(read.ok()["data"]["pets"][0]["id"], json!(pet));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn or_it_says_that_the_acknowledgement_is_worth_less() {
    let node = TestNode::start(with_broker(&nowhere(), Policy::Degrade)).await;
    noticed(&node).await;
    let (tutor, pet) = node.client().tutor_with_pet().await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    let quote = tutor.post("/v1/quotes", &wanted).await.ok();
    let taken = tutor.post("/v1/rides", &json!({ "quote_id": quote["id"], "pet_ids": [pet] })).await;
    assert_eq!(taken.headers[HEADER], "local");
    taken.ok();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_broker_a_node_acknowledges_what_every_replica_has() {
    let Ok(broker) = std::env::var("PETWALKER_FLUVIO") else {
        eprintln!(
            "skipped: with_its_broker_a_node_acknowledges_what_every_replica_has (PETWALKER_FLUVIO is not set)"
        );
        return;
    };
    let node = TestNode::start(with_broker(&broker, Policy::Refuse)).await;
    let (tutor, pet) = node.client().tutor_with_pet().await;
    let walker = node.client().walker_at(PLACE.0, PLACE.1).await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    // As any client: what is refused while the topic is being made is repeated under the same name.
    let (quote, ..) = insist(&tutor, "/v1/quotes", &wanted, "quote").await;
    assert_eq!(quote.headers[HEADER], "stream");
    let asked = json!({ "quote_id": quote.ok()["id"], "pet_ids": [pet] });
    let (taken, ..) = insist(&tutor, "/v1/rides", &asked, "ride").await;
    assert_eq!(taken.headers[HEADER], "stream");
    let ride = taken.ok();
    let path = format!("/v1/rides/{}/accept", ride["id"].as_str().expect("an id"));
    let key = [("idempotency-key", "once")];
    for _ in 0..2 {
        let accepted = walker.post_with(&path, &json!({}), &key).await;
        assert_eq!(accepted.headers[HEADER], "stream");
        accepted.ok();
    }
    node.stop().await;
}
