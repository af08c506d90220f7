//! Who sends slowly, waits, or traps costs nobody else anything.

mod bodies;
mod isolation;
mod stop;
mod waits;

use std::time::Duration;

use futures::StreamExt as _;
use petwalker_tests::{Client, TestNode};
use serde_json::json;

use crate::live::Walk;
use crate::rides::{act, until};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// That the node answers others, 100 of 100, and does for itself what it does at all times: events are delivered (the
/// invoice comes) and timers fire (its payment is captured).
async fn serves_on(node: &TestNode, lat: f64, lon: f64) {
    let client = node.client();
    let hello = futures::stream::iter(0..100).map(|_| client.get("/v1/hello")).buffer_unordered(4);
    let answers: Vec<u16> = hello.map(|answer| answer.status).collect().await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let walk = Walk::begin_on(&client, lat, lon).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    until(&walk.tutor, &walk.path("/invoice"), |invoice| invoice["payment"] == "captured").await;
}

/// A ride that nobody takes: its tutor, and the path of its live view.
async fn offered(client: &Client, lat: f64, lon: f64) -> (Client, String) {
    let _walker = client.walker_at(lat, lon).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    (tutor, format!("/v1/rides/{}/live", ride["id"].as_str().expect("an id")))
}

/// Answers that wait, among what [`TestNode::waiting`] counts.
const POLLS: usize = 0;
/// Event streams that are open.
const STREAMS: usize = 1;

/// Waits until as many wait as are wanted.
async fn until_waiting(node: &TestNode, kind: usize, wanted: usize) {
    let reached = async {
        while node.waiting()[kind] != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached.unwrap_or_else(|_| panic!("{:?} wait, not {wanted}", node.waiting()));
}
