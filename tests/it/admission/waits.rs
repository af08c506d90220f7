//! Requests that wait hold no component.

use std::time::{Duration, Instant};

use edge_node::Config;
use petwalker_tests::{Client, TestNode, config};
use serde_json::json;
use tokio::task::JoinSet;

use super::{PATIENCE, POLLS, STREAMS, offered, serves_on, until_waiting};
use crate::live::{Walk, points};
use crate::rides::act;

/// A node that lets one account wait often.
fn patient(data: &std::path::Path) -> Config {
    let mut config = config(data);
    config.admission.waits.polls_per_account = 1_000;
    config.admission.waits.polls_per_address = 1_000;
    config.admission.waits.streams_per_account = 1_000;
    config.admission.waits.heartbeat_ms = 300;
    config
}

/// C4: more long-polls than a component takes requests hold nobody up, and all of them hear the news.
#[tokio::test(flavor = "multi_thread")]
async fn long_polls_hold_nobody_up_and_hear_the_news() {
    let node = TestNode::start(patient).await;
    let walk = Walk::begin_on(&node.client(), -23.41, -46.41).await;
    let mut polls = JoinSet::new();
    for number in 0..300 {
        let (tutor, path) = (walk.tutor.clone(), walk.path("/live?since=0&state=started&wait=25s"));
        polls.spawn(async move {
            let answer = tutor.get(&path).await;
            (answer.ok(), Instant::now())
        });
        if number % 50 == 49 {
            // Not more at once than the component takes.
            until_waiting(&node, POLLS, number + 1).await;
        }
    }
    serves_on(&node, -23.42, -46.42).await;
    let told = Instant::now();
    walk.walker.post(&walk.path("/points"), &json!({ "points": points(1, 1..=3)["points"] })).await.ok();
    for (news, at) in polls.join_all().await {
        assert_eq!(news["cursor"], 3, "{news}");
        assert!(at.duration_since(told) < Duration::from_secs(2), "{:?}", at.duration_since(told));
    }
    until_waiting(&node, POLLS, 0).await;
    node.stop().await;
}

/// C4, L7: what one account may have wait at once is limited, whichever connection it uses.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_waits_a_few_times_at_once() {
    let node = TestNode::start(config).await;
    let (tutor, live) = offered(&node.client(), -23.43, -46.43).await;
    let path = format!("{live}?since=0&state=offered&wait=25s");
    let mut waiting = JoinSet::new();
    for _ in 0..8 {
        let (tutor, path) = (tutor.clone(), path.clone());
        waiting.spawn(async move { tutor.get(&path).await });
    }
    until_waiting(&node, POLLS, 8).await;
    let refused = tutor.get(&path).await;
    refused.refused(429, "too-many-requests");
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(tutor.get(&live).await.status, 200, "without waiting it is answered");
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(tutor.events(&live, None).await);
    }
    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert_eq!(tutor.events(&live, None).await.status(), 429);
    // Another account is not concerned.
    let (other, other_live) = offered(&node.client(), -23.44, -46.44).await;
    assert_eq!(other.events(&other_live, None).await.status(), 200);
    drop(streams);
    until_waiting(&node, STREAMS, 0).await;
    assert_eq!(tutor.events(&live, None).await.status(), 200);
    waiting.abort_all();
    node.stop().await;
}

/// Reads a stream until its text has what is wanted.
async fn read_until(stream: &mut reqwest::Response, text: &mut String, wanted: &str) {
    let reading = async {
        while !text.contains(wanted) {
            let bytes =
                stream.chunk().await.expect("the stream").unwrap_or_else(|| panic!("it ended: {text}"));
            text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {wanted} in {text}"));
}

/// L7: event streams hold no component, show that they live, hear news at once, and end with the ride.
#[tokio::test(flavor = "multi_thread")]
async fn event_streams_hold_nobody_up_and_hear_the_news() {
    let node = TestNode::start(patient).await;
    let walk = Walk::begin_on(&node.client(), -23.45, -46.45).await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        let mut stream = walk.tutor.events(&walk.path("/live"), None).await;
        let mut text = String::new();
        read_until(&mut stream, &mut text, "event: live").await;
        assert!(text.starts_with("retry: 3000\n\n"), "{text}");
        assert!(
            !stream.headers().keys().any(|name| name.as_str().starts_with("edge-")),
            "{:?}",
            stream.headers()
        );
        streams.push((stream, text));
    }
    serves_on(&node, -23.46, -46.46).await;
    let (first, text) = &mut streams[0];
    read_until(first, text, "\n\n:\n\n").await;
    let (mut track, _) = walk.track("petwalker.v1.msgpack").await;
    let told = Instant::now();
    track.ask(&points(1, 1..=3)).await;
    for (stream, text) in &mut streams {
        read_until(stream, text, "id: 3\n").await;
    }
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    for (mut stream, mut text) in streams {
        read_until(&mut stream, &mut text, "id: 3-over\nevent: over\ndata:\n\n").await;
        assert_eq!(stream.chunk().await.expect("the end"), None);
        assert!(text.matches("event: live").count() >= 3, "{text}");
    }
    node.stop().await;
}

/// A6: who was told that the ride is over is not to connect again.
#[tokio::test(flavor = "multi_thread")]
async fn who_heard_the_end_is_told_to_stay_away() {
    let walk = Walk::begin(-23.47, -46.47).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let mut stream = walk.tutor.events(&walk.path("/live"), None).await;
    let mut text = String::new();
    while let Some(bytes) = stream.chunk().await.expect("the stream") {
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
    }
    let last = text.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id");
    assert_eq!(last, "0-over", "{text}");
    let again = walk.tutor.events(&walk.path("/live"), Some(last)).await;
    assert_eq!((again.status().as_u16(), again.text().await.expect("read").as_str()), (204, ""));
    let stranger: Client = walk.tutor.join("tutor").await;
    assert_eq!(stranger.events(&walk.path("/live"), Some(last)).await.status(), 404);
}

/// What the node and its component say to each other, clients neither say nor hear.
#[tokio::test(flavor = "multi_thread")]
async fn clients_take_no_part_in_the_waiting() {
    let (tutor, live) = offered(&petwalker_tests::shared().client(), -23.48, -46.48).await;
    for forged in ["", "7.started.1", "nonsense"] {
        let began = Instant::now();
        let path = format!("{live}?since=0&state=offered&wait=1s");
        let answer = tutor.raw(reqwest::Method::GET, &path, &[("edge-waits", forged)], Vec::new()).await;
        assert_eq!((answer.status, &answer.json["state"]), (200, &json!("offered")), "{}", answer.text);
        assert!(began.elapsed() >= Duration::from_millis(900), "it waited: {:?}", began.elapsed());
        assert!(answer.headers.get("edge-wait").is_none(), "{:?}", answer.headers);
    }
}

/// Somebody else's change of the same ride is news, and the viewer is asked about each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_state_is_news_for_all_ways_of_waiting() {
    let node = TestNode::start(config).await;
    let client = node.client();
    let walker = client.walker_at(-23.49, -46.49).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, -23.49, -46.49).await;
    let live = format!("/v1/rides/{}/live", ride["id"].as_str().expect("an id"));
    let mut stream = tutor.events(&live, None).await;
    let mut text = String::new();
    read_until(&mut stream, &mut text, "\"state\":\"offered\"").await;
    let polling = tokio::spawn({
        let (tutor, path) = (tutor.clone(), format!("{live}?since=0&wait=25s"));
        async move { tutor.get(&path).await.ok() }
    });
    until_waiting(&node, POLLS, 1).await;
    let began = Instant::now();
    act(&walker, &ride, "accept", &json!({})).await.ok();
    assert_eq!(polling.await.expect("answered")["state"], "accepted");
    read_until(&mut stream, &mut text, "\"state\":\"accepted\"").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    node.stop().await;
}
