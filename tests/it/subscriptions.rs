//! GraphQL subscriptions over `graphql-transport-ws`.

use edge_node::config::{Rate, ThrottleClass};
use petwalker_tests::{Client, Socket, TestNode, config, shared};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::live::{Walk, points};
use crate::rides::act;

const PROTOCOL: &str = "graphql-transport-ws";
const LIVE: &str = "subscription($id: String!, $since: Int) { live(rideId: $id, since: $since) {
    cursor state points { seq } figures { distanceM } } }";

fn init(who: &Client) -> Value {
    json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", who.token()) } })
}

/// A socket that is ready for operations.
async fn ready(who: &Client) -> Socket {
    let mut socket = who.without_token().socket("/graphql", PROTOCOL).await.expect("opened");
    assert_eq!(socket.ask(&init(who)).await, json!({ "type": "connection_ack" }));
    socket
}

fn subscribe(id: &str, walk: &Walk, since: Option<u64>) -> Value {
    let variables = json!({ "id": walk.ride["id"], "since": since });
    json!({ "id": id, "type": "subscribe", "payload": { "query": LIVE, "variables": variables } })
}

/// What the operation's next message tells; those of others are passed over.
async fn news(socket: &mut Socket, id: &str) -> Value {
    loop {
        let message = socket.next().await;
        assert_eq!(message["type"], "next", "{message}");
        if message["id"] == id {
            return message["payload"]["data"]["live"].clone();
        }
    }
}

/// The first that it tells of that kind: that a walk has begun may be told again meanwhile.
async fn news_where(socket: &mut Socket, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let told = news(socket, id).await;
        if wanted(&told) {
            return told;
        }
    }
}

#[tokio::test]
async fn a_subscription_tells_what_a_socket_tells() {
    let walk = Walk::begin(-23.21, -46.21).await;
    let mut socket = ready(&walk.tutor).await;
    socket.send(&subscribe("walk", &walk, None)).await;
    let first = news(&mut socket, "walk").await;
    assert_eq!(first, json!({ "cursor": 0, "state": "STARTED", "points": [], "figures": null }));
    let (mut track, _) = walk.track("petwalker.v1.json").await;
    let mut seqs = Vec::new();
    for batch in 0..20_u32 {
        track.send(&points(batch, batch * 4 + 1..=batch * 4 + 4)).await;
    }
    while seqs.len() < 80 {
        let told = news(&mut socket, "walk").await;
        seqs.extend(told["points"].as_array().expect("points").iter().map(|p| p["seq"].as_u64()));
        assert_eq!(told["cursor"], seqs.len(), "{told}");
    }
    assert_eq!(seqs, (1..=80).map(Some).collect::<Vec<_>>());
    act(&walk.walker, &walk.ride, "pause", &json!({})).await.ok();
    news_where(&mut socket, "walk", |told| told["state"] == "PAUSED").await;
    // Another operation of the socket goes on from a cursor.
    socket.send(&subscribe("later", &walk, Some(78))).await;
    let later = news(&mut socket, "later").await;
    assert_eq!((&later["cursor"], &later["points"][0]["seq"]), (&json!(80), &json!(79)), "{later}");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let mut completed = Vec::new();
    while completed.len() < 2 {
        let message = socket.next().await;
        if message["type"] == "complete" {
            completed.push(message["id"].as_str().expect("an id").to_owned());
        } else {
            assert!(message["payload"]["data"]["live"]["state"].is_string(), "{message}");
        }
    }
    completed.sort();
    assert_eq!(completed, ["later", "walk"]);
}

#[tokio::test]
async fn an_operation_that_is_refused_leaves_the_socket_as_it_was() {
    let walk = Walk::begin(-23.22, -46.22).await;
    let stranger = walk.tutor.join("tutor").await;
    let mut socket = ready(&stranger).await;
    let query = |text: &str| json!({ "id": "1", "type": "subscribe", "payload": { "query": text } });
    let twice = "subscription { a: live(rideId: \"x\") { cursor } b: live(rideId: \"x\") { cursor } }";
    for (message, code) in [
        (subscribe("1", &walk, None), json!("not-found")),
        (query("mutation { leave }"), json!("method-not-allowed")),
        (query("subscription { nothing }"), json!("invalid")),
        (query("subscription {"), json!("malformed")),
        (
            query(&format!(
                "{{ walker(accountId: {}{}) {{ accountId }} }}",
                "[".repeat(900),
                "]".repeat(900)
            )),
            json!("too-complex"),
        ),
        (query(twice), json!("not-found")),
        (json!({ "id": "1", "type": "subscribe", "payload": { "query": 7 } }), json!("malformed")),
    ] {
        let refused = socket.ask(&message).await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("1")), "{refused}");
        assert_eq!(refused["payload"][0]["extensions"]["code"], code, "{refused}");
    }
    let pong = socket.ask(&json!({ "type": "ping", "payload": { "n": 7 } })).await;
    assert_eq!(pong, json!({ "type": "pong", "payload": { "n": 7 } }));
    let me = socket.ask(&query("{ me { role } }")).await;
    assert_eq!(me["payload"]["data"]["me"]["role"], "TUTOR", "{me}");
    assert_eq!(socket.next().await, json!({ "id": "1", "type": "complete" }));
}

#[tokio::test]
async fn what_is_ended_says_nothing_more_and_its_id_is_free() {
    let walk = Walk::begin(-23.23, -46.23).await;
    let mut socket = ready(&walk.tutor).await;
    socket.send(&subscribe("1", &walk, None)).await;
    news(&mut socket, "1").await;
    socket.send(&json!({ "id": "1", "type": "complete" })).await;
    let (mut track, _) = walk.track("petwalker.v1.json").await;
    track.ask(&points(1, 1..=3)).await;
    // Were the ended operation still told, its points would come before this one's answer.
    socket.send(&subscribe("1", &walk, None)).await;
    let again = news(&mut socket, "1").await;
    assert_eq!((&again["cursor"], &again["points"]), (&json!(3), &json!([])), "{again}");
    track.ask(&points(2, 4..=4)).await;
    let told = news_where(&mut socket, "1", |told| told["points"] != json!([])).await;
    assert_eq!(told["points"], json!([{ "seq": 4 }]));
}

#[tokio::test]
async fn breaches_of_the_protocol_end_the_socket_by_its_own_codes() {
    let walk = Walk::begin(-23.24, -46.24).await;
    let first = subscribe("1", &walk, None);
    let many: Vec<Value> = (0..17).map(|n| subscribe(&n.to_string(), &walk, None)).collect();
    let known = init(&walk.tutor);
    let forged = init(&walk.tutor.with_token("forged"));
    let nameless = json!({ "type": "connection_init" });
    let twice = vec![known.clone(), known.clone()];
    let same = vec![known.clone(), first.clone(), first.clone()];
    let many: Vec<Value> = std::iter::once(known.clone()).chain(many).collect();
    let odd = vec![known.clone(), json!({ "id": "1", "type": "start" })];
    let empty = vec![known.clone(), json!({ "type": "subscribe", "payload": {} })];
    for (messages, code) in [
        (vec![first], 4401),
        (vec![forged], 4403),
        (vec![nameless], 4403),
        (twice, 4429),
        (same, 4409),
        (many, 4429),
        (odd, 4400),
        (empty, 4400),
    ] {
        let mut socket = shared().client().socket("/graphql", PROTOCOL).await.expect("opened");
        for message in &messages {
            socket.send(message).await;
        }
        assert_eq!(socket.closed().await.0, code, "{messages:?}");
    }
    let mut socket = ready(&walk.tutor).await;
    socket.send_raw(Message::binary(vec![0x80])).await;
    assert_eq!(socket.closed().await.0, 4400);
    let (status, body) = walk.tutor.socket("/graphql", "graphql-ws").await.err().expect("refused");
    assert_eq!((status, &body["code"]), (400, &json!("bad-subprotocol")));
    let query = json!({ "query": "subscription { live(rideId: \"x\") { cursor } }" });
    walk.tutor.post("/graphql", &query).await.refused(422, "invalid");
}

/// Operations on a socket count as documents that are posted do.
#[tokio::test(flavor = "multi_thread")]
async fn operations_are_limited_by_account_whatever_the_socket() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.throttle.factor = 1;
        config.throttle.classes = vec![ThrottleClass {
            name: "graphql".to_owned(),
            methods: Vec::new(),
            routes: vec!["/graphql".to_owned()],
            upgrade: false,
            address: Some(Rate { burst: 100, per_minute: 1 }),
            account: Some(Rate { burst: 4, per_minute: 1 }),
            turns: false,
        }];
        config
    })
    .await;
    let (tutor, other) = (node.client().join("tutor").await, node.client().join("tutor").await);
    let me = |id: u32| json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": "{ me { id } }" } });
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut socket = ready(&tutor).await;
        for id in 0..3 {
            let told = socket.ask(&me(id)).await;
            if told["type"] == "next" {
                assert_eq!(socket.next().await["type"], "complete");
            } else {
                assert_eq!(told["payload"][0]["extensions"]["code"], "too-many-requests", "{told}");
            }
            kinds.push(told["type"].as_str().expect("a type").to_owned());
        }
    }
    assert_eq!(kinds, ["next", "next", "next", "next", "error", "error"]);
    // What is posted is counted with it, once it is known whose the token is; and another account by itself.
    let post = async || tutor.post("/graphql", &json!({ "query": "{ me { id } }" })).await;
    post().await.ok();
    post().await.refused(429, "too-many-requests");
    assert_eq!(ready(&other).await.ask(&me(1)).await["type"], "next");
    node.stop().await;
}
