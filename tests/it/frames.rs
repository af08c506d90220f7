//! Frames of many sockets at once: nobody's keep anybody else's from being stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use petwalker_tests::{Socket, TestNode, config};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::live::{Walk, points};

const PACKED: &str = "petwalker.v1.msgpack";

/// Sends frames that mean nothing, as many at once as a socket takes, until told to stop; how many were answered.
async fn babble(mut socket: Socket, stop: Arc<AtomicBool>) -> usize {
    let nonsense = bytes_of_nonsense();
    let (mut on_their_way, mut answered) = (0, 0);
    while !stop.load(Ordering::Acquire) || on_their_way > 0 {
        if on_their_way < 8 && !stop.load(Ordering::Acquire) {
            socket.send_raw(nonsense.clone()).await;
            on_their_way += 1;
        } else {
            let refused = socket.next().await;
            assert_eq!(
                (&refused["type"], &refused["code"]),
                (&json!("refused"), &json!("malformed")),
                "{refused}"
            );
            on_their_way -= 1;
            answered += 1;
        }
    }
    answered
}

fn bytes_of_nonsense() -> Message {
    Message::binary(vec![0x5a; 250 << 10])
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_mean_nothing_keep_nobody_elses_from_being_stored() {
    let node = TestNode::start(config).await;
    let walk = Walk::begin_on(&node.client(), -22.31, -47.31).await;
    let other = Walk::begin_on(&node.client(), -22.32, -47.32).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut babbling = Vec::new();
    for _ in 0..2 {
        let (socket, _) = other.track(PACKED).await;
        babbling.push(tokio::spawn(babble(socket, stop.clone())));
    }
    let (mut track, _) = walk.track(PACKED).await;
    for frame in 0..30_u32 {
        let answer = track.ask(&points(frame, frame * 5 + 1..=frame * 5 + 5)).await;
        assert_eq!(
            (&answer["type"], &answer["stored"]),
            (&json!("stored"), &json!(5)),
            "frame {frame}: {answer}"
        );
    }
    stop.store(true, Ordering::Release);
    for task in babbling {
        assert!(task.await.expect("no panic") > 0, "it was not answered at all");
    }
    node.stop().await;
}

/// As after a loss of network.
#[tokio::test(flavor = "multi_thread")]
async fn many_devices_that_return_at_once_are_all_taken() {
    const WALKS: u32 = 10;
    const SOCKETS: u32 = 15;
    let node = TestNode::start(config).await;
    let mut walks = Vec::new();
    for index in 0..WALKS {
        walks.push(Walk::begin_on(&node.client(), -22.41, -47.0 + f64::from(index) * 0.5).await);
    }
    let mut sending = Vec::new();
    for walk in &walks {
        for socket in 0..SOCKETS {
            let (mut track, _) = walk.track(PACKED).await;
            let frame = points(socket, socket * 1_000 + 1..=socket * 1_000 + 1_000);
            sending.push(async move { track.ask(&frame).await });
        }
    }
    assert_eq!(sending.len(), 150);
    for answer in futures::future::join_all(sending).await {
        assert_eq!((&answer["type"], &answer["stored"]), (&json!("stored"), &json!(1_000)), "{answer}");
    }
    for walk in &walks {
        let (_, greeting) = walk.track(PACKED).await;
        assert_eq!(greeting["contiguous_seq"], SOCKETS * 1_000, "{greeting}");
    }
    node.stop().await;
}
