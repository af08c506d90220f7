//! Sockets that go wrong harm nobody but themselves.

use std::time::Duration;

use petwalker_tests::{TestNode, config, shared};
use serde_json::json;

use crate::live::{Walk, points};
use crate::rides::act;

const JSON: &str = "petwalker.v1.json";
/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the node counted.
async fn counted(node: &TestNode, metric: &str) -> f64 {
    let text = node.metrics().await;
    let value = text.lines().find_map(|line| line.strip_prefix(metric)).map(str::trim);
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_stops_reading_is_given_up_and_nobody_else_notices() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.sockets.ping_interval_ms = 300;
        config
    })
    .await;
    let walk = Walk::begin_on(&node.client(), -23.11, -46.11).await;
    // Neither reads nor answers pings: its client never runs again.
    let (deaf, _) = walk.live(JSON).await;
    let (mut mute, _) = walk.track(JSON).await;
    let watching = walk.live(JSON).await.0;
    let follower = tokio::spawn(async move {
        let (mut watching, mut seen) = (watching, 0);
        while seen < 400 {
            seen += watching.next().await["points"].as_array().expect("points").len();
        }
        watching
    });
    let walker = walk.walker.clone();
    let path = walk.path("/track");
    let sender = tokio::spawn(async move {
        let mut track = walker.socket(&path, JSON).await.expect("opened");
        track.next().await;
        for batch in 0..100_u32 {
            let stored = track.ask(&points(batch, batch * 4 + 1..=batch * 4 + 4)).await;
            assert_eq!(stored["contiguous_seq"], batch * 4 + 4, "{stored}");
        }
    });
    sender.await.expect("the sender is not disturbed");
    drop(follower.await.expect("the other watcher is told everything"));
    let ended = "sockets_ended_total{why=\"silent\"}";
    let given_up = async {
        while counted(&node, ended).await < 2.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.expect("both are given up");
    assert_eq!(mute.closed().await, (4408, "no answer to a ping, or nothing read".to_owned()));
    drop(deaf);
    node.stop().await;
}

#[tokio::test]
async fn a_walk_is_its_own_walkers_and_only_while_it_is() {
    let (walk, other) = (Walk::begin(-23.12, -46.12).await, Walk::begin(-23.13, -46.13).await);
    let foreign = other.walker.socket(&walk.path("/track"), JSON).await.err().expect("refused");
    assert_eq!((foreign.0, &foreign.1["code"]), (404, &json!("not-found")), "{}", foreign.1);
    other.walker.post(&walk.path("/points"), &json!({ "points": [] })).await.refused(404, "not-found");
    let (tutor, walker, ride) = crate::rides::accepted_on(&shared().client(), -23.14, -46.14).await;
    let given_up = Walk { tutor, walker, ride };
    let (mut track, _) = given_up.track(JSON).await;
    let early = track.ask(&points(1, 1..=3)).await;
    assert_eq!((&early["type"], &early["code"]), (&json!("refused"), &json!("not-active")), "{early}");
    act(&given_up.walker, &given_up.ride, "cancel", &json!({})).await.ok();
    let late = track.ask(&points(2, 1..=3)).await;
    assert_eq!((&late["code"], &late["id"]), (&json!("forbidden"), &json!(2)), "{late}");
    // The socket of another walk, on the same node, in the same batches, goes on.
    let (mut fine, _) = other.track(JSON).await;
    assert_eq!(fine.ask(&points(3, 1..=3)).await["stored"], 3);
}
