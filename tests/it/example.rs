//! The client of `docs/live-protocol.md` does what it says.

use petwalker_tests::{Client, TestNode, config, shared};
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::act;

#[path = "../examples/live_client.rs"]
#[expect(dead_code, reason = "its main function is for those who run it")]
mod live_client;

const RECORDING: &str = include_str!("../data/park-run.gpx");

fn client(walk: &Walk, who: &Client) -> live_client::Walk {
    live_client::Walk {
        url: who.url().to_owned(),
        ride: walk.ride["id"].as_str().expect("an id").to_owned(),
        token: who.token().to_owned(),
    }
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    let points = messages.iter().flat_map(|message| message["points"].as_array().expect("points"));
    points.map(|point| point["seq"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_recording_is_sent_and_followed_whatever_was_sent_before() {
    let walk = Walk::begin_on(&shared().client(), -22.81, -47.21).await;
    let points = live_client::read_gpx(RECORDING).expect("read");
    assert_eq!(points.len(), 988);
    client(&walk, &walk.walker).send(&points[..300]).await.expect("stored");
    let watcher = client(&walk, &walk.tutor);
    let watching = tokio::spawn(async move {
        let mut messages = Vec::new();
        watcher.watch(|message| messages.push(message.clone())).await.map(|()| messages)
    });
    client(&walk, &walk.walker).send(&points).await.expect("stored");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let messages = watching.await.expect("ran").expect("watched");
    assert_eq!(seqs(&messages), (1..=988).collect::<Vec<_>>());
    assert_eq!(messages.last().expect("news")["state"], "completed");
    let refused = client(&walk, &walk.tutor).send(&points).await.expect_err("not the walker's");
    assert!(refused.to_string().contains("403"), "{refused}");
}

#[tokio::test]
async fn both_go_on_after_the_node_was_away() {
    let node = TestNode::start(config).await;
    let walk = Walk::begin_on(&node.client(), -22.82, -47.22).await;
    let points = live_client::read_gpx(RECORDING).expect("read");
    let (sender, watcher) = (client(&walk, &walk.walker), client(&walk, &walk.tutor));
    let (said, mut heard) = tokio::sync::watch::channel(Vec::new());
    let watching = tokio::spawn(async move {
        watcher.watch(|message| said.send_modify(|all| all.push(message.clone()))).await
    });
    sender.send(&points[..500]).await.expect("stored");
    heard.wait_for(|all| seqs(all).len() == 500).await.expect("told");
    let node = node.restart(config).await;
    sender.send(&points).await.expect("stored");
    heard.wait_for(|all| seqs(all).len() == 988).await.expect("told");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    watching.await.expect("ran").expect("watched");
    assert_eq!(seqs(&heard.borrow()), (1..=988).collect::<Vec<_>>());
    node.stop().await;
}
