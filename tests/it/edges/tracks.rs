//! A walk's points, whatever befalls the edge that stored them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edge_node::cluster::Cluster;
use edge_node::config::Worth;
use petwalker_tests::{Client, Socket, config};
use serde_json::{Value, json};

use super::ways::{cluster_in, owner, stop};
use super::{PATIENCE, PLACE, REGION};
use crate::live::{Walk, points_at};

const PACKED: &str = "petwalker.v1.msgpack";
const HEADER: &str = "petwalker-durability";

/// Has the region handed over to another edge.
async fn hand_over(cluster: &Cluster) {
    let (name, _, admin) = owner(cluster).await;
    let to = cluster.edges().map(|(name, ..)| name.to_owned()).find(|other| *other != name).expect("another");
    let url = format!("{admin}/regions/{REGION}/hand-over?to={to}");
    let answer = reqwest::Client::new().post(url).bearer_auth(cluster.admin_token()).send();
    let answer = answer.await.expect("answered");
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
    assert_eq!(owner(cluster).await.0, to);
}

/// A socket for the walk's points at the region's owner, and its greeting.
async fn track(cluster: &Cluster, walk: &Walk) -> (Socket, Value) {
    let (_, url, _) = owner(cluster).await;
    let began = Instant::now();
    loop {
        match walk.walker.at(&url).socket(&walk.path("/track"), PACKED).await {
            Ok(mut socket) => {
                let greeting = socket.next().await;
                return (socket, greeting);
            }
            Err((503, _)) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

fn number(message: &Value, name: &str) -> u64 {
    message[name].as_u64().unwrap_or_else(|| panic!("{name} of {message}"))
}

/// Up to where a device that sends was told its points are.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    stored: u64,
    replicated: u64,
}

/// Sends frames of three points until told to stop or cut off; what it was told.
async fn send(mut socket: Socket, stop: Arc<AtomicBool>, said: tokio::sync::watch::Sender<Said>) -> Said {
    let mut last = Said::default();
    for frame in 0_u32.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let message = points_at(PLACE, frame, frame * 3 + 1..=frame * 3 + 3);
        let Some(answer) = socket.try_ask(&message).await else { break };
        if answer["type"] != "stored" {
            // To be sent again, elsewhere.
            assert_eq!(answer["code"], "unavailable", "{answer}");
            break;
        }
        last =
            Said { stored: number(&answer, "contiguous_seq"), replicated: number(&answer, "replicated_seq") };
        assert!(last.replicated <= last.stored, "{answer}");
        said.send_replace(last);
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_were_acknowledged_are_at_the_next_owner_after_a_hand_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster_in(folder.path(), config(folder.path())).await;
    let (_, url, _) = owner(&cluster).await;
    let walk = Walk::begin_on(&Client::of(&url), PLACE.0, PLACE.1).await;
    let body = json!({ "points": points_at(PLACE, 0, 1..=60)["points"] });
    let answer = walk.walker.post(&walk.path("/points"), &body).await;
    assert_eq!(answer.headers[HEADER], "local", "they are in no event yet");
    assert_eq!(number(&answer.ok(), "contiguous_seq"), 60);
    hand_over(&cluster).await;
    let (mut socket, greeting) = track(&cluster, &walk).await;
    assert_eq!((number(&greeting, "contiguous_seq"), number(&greeting, "last_seq")), (60, 60), "{greeting}");
    // Within seconds what is stored is on every replica, and said to be.
    let began = Instant::now();
    socket.ask(&points_at(PLACE, 1, 61..=75)).await;
    while number(&socket.ask(&json!({ "type": "status", "id": 2 })).await, "replicated_seq") < 75 {
        assert!(began.elapsed() < PATIENCE, "never on every replica");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!("on every replica after {:?}", began.elapsed());
    // Somebody sends all the while: what was acknowledged before the socket ended is there.
    let (said, mut heard) = tokio::sync::watch::channel(Said::default());
    let second = Walk::begin_on(&Client::of(&url), PLACE.0, PLACE.1).await;
    let (sending, _) = track(&cluster, &second).await;
    let sending = tokio::spawn(send(sending, Arc::default(), said));
    heard.wait_for(|said| said.stored >= 90).await.expect("sending");
    hand_over(&cluster).await;
    let last = sending.await.expect("no panic");
    let (_, greeting) = track(&cluster, &second).await;
    assert!(number(&greeting, "contiguous_seq") >= last.stored, "{last:?} and {greeting}");
    stop(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_said_to_be_on_every_replica_survive_the_owner_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = cluster_in(folder.path(), config(folder.path())).await;
    let (name, url, _) = owner(&cluster).await;
    let walk = Walk::begin_on(&Client::of(&url), PLACE.0, PLACE.1).await;
    let (socket, greeting) = track(&cluster, &walk).await;
    assert_eq!(
        (&greeting["contiguous_seq"], &greeting["replicated_seq"]),
        (&json!(0), &json!(0)),
        "{greeting}"
    );
    let (said, mut heard) = tokio::sync::watch::channel(Said::default());
    let sending = tokio::spawn(send(socket, Arc::default(), said));
    // Beyond a chunk, and beyond the first number that was said to be safe.
    let waited = heard.wait_for(|said| said.replicated > 200);
    tokio::time::timeout(PATIENCE, waited).await.expect("in time").expect("sending");
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.kill(&name);
        cluster
    });
    let cluster = cluster.await.expect("no panic");
    let last = tokio::time::timeout(PATIENCE, sending).await.expect("cut off").expect("no panic");
    assert!(last.replicated > 0, "{last:?}");
    let (mut socket, greeting) = track(&cluster, &walk).await;
    let there = number(&greeting, "contiguous_seq");
    assert!(there >= last.replicated, "{last:?} and {greeting}");
    // What the device kept makes the walk whole.
    let rest = u32::try_from(there).expect("few") + 1..=u32::try_from(last.stored).expect("few") + 3;
    let whole = *rest.end();
    let mut left: Vec<u32> = rest.collect();
    while !left.is_empty() {
        let frame: Vec<u32> = left.drain(..left.len().min(900)).collect();
        let answer = socket.ask(&points_at(PLACE, 1, frame)).await;
        assert_eq!(answer["type"], "stored", "{answer}");
    }
    let answer = socket.ask(&json!({ "type": "status" })).await;
    assert_eq!(number(&answer, "contiguous_seq"), u64::from(whole), "{answer}");
    stop(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_in_the_topic_once_their_edge_has_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster_in(folder.path(), config(folder.path())).await;
    let (name, url, _) = owner(&cluster).await;
    let walk = Walk::begin_on(&Client::of(&url), PLACE.0, PLACE.1).await;
    let (mut socket, _) = track(&cluster, &walk).await;
    assert_eq!(number(&socket.ask(&points_at(PLACE, 1, 1..=60)).await, "contiguous_seq"), 60);
    stop(cluster).await;
    // Its disk is lost: what it had is in the topic alone.
    std::fs::remove_dir_all(folder.path().join(name).join("regions")).expect("removed");
    let cluster = cluster_in(folder.path(), config(folder.path())).await;
    let (_, greeting) = track(&cluster, &walk).await;
    assert_eq!(number(&greeting, "contiguous_seq"), 60, "{greeting}");
    stop(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_says_no_more_than_is_true() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut base = config(folder.path());
    // Whoever wants points to be worth as much as commands, gets it.
    for class in base.durability.classes.iter_mut().filter(|class| class.name == "tracks") {
        class.level = Worth::Stream;
    }
    let cluster = cluster_in(folder.path(), base).await;
    let (_, url, _) = owner(&cluster).await;
    let walk = Walk::begin_on(&Client::of(&url), PLACE.0, PLACE.1).await;
    let body = json!({ "points": points_at(PLACE, 0, 1..=10)["points"] });
    let answer = walk.walker.post(&walk.path("/points"), &body).await;
    assert_eq!(answer.headers[HEADER], "stream");
    assert!(!answer.headers.contains_key("edge-kept"), "{:?}", answer.headers);
    let (mut socket, greeting) = track(&cluster, &walk).await;
    assert_eq!(number(&greeting, "replicated_seq"), 10, "it was said to be, and is");
    // A client cannot say how far the stream is.
    let forged = [("edge-published", "all")];
    let body = json!({ "points": points_at(PLACE, 0, 11..=12)["points"] });
    let answer = walk.walker.post_with(&walk.path("/points"), &body, &forged).await.ok();
    assert_eq!(number(&answer, "replicated_seq"), 10, "{answer}");
    // What is in no event is on one disk, whatever its class promises.
    let ticket = walk.tutor.post(&walk.path("/tickets"), &json!({ "socket": "live" })).await;
    assert_eq!((ticket.status, &ticket.headers[HEADER]), (201, &"local".parse().expect("a value")));
    let pause = walk.walker.post(&walk.path("/pause"), &json!({})).await;
    assert_eq!(pause.headers[HEADER], "stream");
    pause.ok();
    assert_eq!(socket.ask(&json!({ "type": "status" })).await["type"], "stored");
    stop(cluster).await;
}
