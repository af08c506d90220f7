//! Who waits for news of a region that changes hands.

use std::time::{Duration, Instant};

use petwalker_tests::Client;
use serde_json::json;

use super::ways::{cluster, owner, stop};
use super::{PLACE, REGION};
use crate::live::Walk;

/// A stream's text from its first event to its end, and when that was.
async fn heard(mut stream: reqwest::Response, opened: tokio::sync::oneshot::Sender<()>) -> (String, Instant) {
    let (mut text, mut opened) = (String::new(), Some(opened));
    while let Some(bytes) = stream.chunk().await.expect("the stream ends as it should") {
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
        if text.contains("event: live")
            && let Some(opened) = opened.take()
        {
            opened.send(()).expect("awaited");
        }
    }
    (text, Instant::now())
}

/// Waiting answers are given and streams end between two events, at the owner and at the edge that forwards; then the new
/// owner is waited at.
#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path()).await;
    let here = owner(&cluster).await;
    let heir = cluster.edges().find(|(name, ..)| *name != here.0).expect("another");
    let heir = (heir.0.to_owned(), heir.1.to_owned());
    let walk = Walk::begin_on(&Client::of(&here.1), PLACE.0, PLACE.1).await;
    let mut waiting = Vec::new();
    for url in [&here.1, &heir.1] {
        let (tutor, path) = (walk.tutor.at(url), walk.path("/live?since=0&state=started&wait=25s"));
        let polling = tokio::spawn(async move { (tutor.get(&path).await, Instant::now()) });
        let stream = walk.tutor.at(url).events(&walk.path("/live"), None).await;
        assert_eq!(stream.status(), 200);
        let (opened, is_open) = tokio::sync::oneshot::channel();
        let listening = tokio::spawn(heard(stream, opened));
        is_open.await.expect("opened");
        waiting.push((polling, listening));
    }
    let began = Instant::now();
    let url = format!("{}/regions/{REGION}/hand-over?to={}", here.2, heir.0);
    let answer =
        reqwest::Client::new().post(url).bearer_auth(cluster.admin_token()).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text().await.expect("read"));
    for (polling, listening) in waiting {
        let (answer, at) = polling.await.expect("answered");
        assert_eq!((answer.status, &answer.json["state"]), (200, &json!("started")), "{}", answer.text);
        assert!(at.duration_since(began) < Duration::from_secs(5), "{:?}", at.duration_since(began));
        let (text, at) = listening.await.expect("ended");
        assert!(at.duration_since(began) < Duration::from_secs(5), "{:?}", at.duration_since(began));
        assert!(text.ends_with("\n\n") && text.contains("\n\nretry: "), "{text}");
    }
    let again = walk.tutor.at(&heir.1);
    let (path, live) = (walk.path("/live?since=0&state=started&wait=25s"), walk.path("/points"));
    let polling = tokio::spawn(async move { again.get(&path).await.ok() });
    let points = json!({ "points": crate::live::points(1, 1..=3)["points"] });
    walk.walker.at(&heir.1).post(&live, &points).await.ok();
    assert_eq!(polling.await.expect("answered")["cursor"], 3);
    stop(cluster).await;
}
