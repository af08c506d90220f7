//! A stop is graceful.

use std::time::{Duration, Instant};

use petwalker_tests::{TestNode, config};
use serde_json::json;

use super::{POLLS, STREAMS, until_waiting};
use crate::live::Walk;

/// A7: readiness goes first, and who waits, listens or holds a socket is told within a second.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_waits_is_told_of_a_stop() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.listen.shutdown_notice_ms = 500;
        config
    })
    .await;
    let walk = Walk::begin_on(&node.client(), -23.51, -46.51).await;
    let polling = tokio::spawn({
        let (tutor, path) = (walk.tutor.clone(), walk.path("/live?since=0&state=started&wait=25s"));
        async move { (tutor.get(&path).await, Instant::now()) }
    });
    let mut stream = walk.tutor.events(&walk.path("/live"), None).await;
    let listening = tokio::spawn(async move {
        let mut text = String::new();
        while let Some(bytes) = stream.chunk().await.expect("the stream ends as it should") {
            text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
        (text, Instant::now())
    });
    let (mut live, _) = walk.live("petwalker.v1.json").await;
    until_waiting(&node, POLLS, 1).await;
    until_waiting(&node, STREAMS, 1).await;

    let (client, admin) = (node.client(), node.admin.clone());
    let began = Instant::now();
    let stopping = tokio::spawn(node.stop());
    let ready = async || reqwest::get(format!("{admin}/readyz")).await.expect("answered").status().as_u16();
    while ready().await == 200 {
        assert!(began.elapsed() < Duration::from_millis(500), "readiness goes first");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.get("/v1/hello").await.status, 200, "clients are let in for the notice period");

    let (answer, at) = polling.await.expect("answered");
    assert_eq!((answer.status, &answer.json["state"]), (200, &json!("started")), "{}", answer.text);
    assert!(at.duration_since(began) < Duration::from_millis(1_500), "{:?}", at.duration_since(began));
    let (text, at) = listening.await.expect("ended");
    assert!(at.duration_since(began) < Duration::from_millis(1_500), "{:?}", at.duration_since(began));
    let last = text.trim_end_matches('\n').rsplit("\n\n").next().unwrap_or_default();
    assert!(last.starts_with("retry: ") && text.ends_with("\n\n"), "{text}");
    assert_eq!(live.closed().await.0, 1001);
    stopping.await.expect("stopped");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
