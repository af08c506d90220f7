//! Walks sent and watched over sockets.

use petwalker_tests::{Client, Socket, TestNode, config, shared};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::rides::{accepted_on, act};

const JSON: &str = "petwalker.v1.json";
const PACKED: &str = "petwalker.v1.msgpack";

/// A walk under way.
pub struct Walk {
    pub tutor: Client,
    pub walker: Client,
    pub ride: Value,
}

impl Walk {
    pub async fn begin(lat: f64, lon: f64) -> Self {
        Self::begin_on(&shared().client(), lat, lon).await
    }

    pub async fn begin_on(client: &Client, lat: f64, lon: f64) -> Self {
        let (tutor, walker, ride) = accepted_on(client, lat, lon).await;
        act(&walker, &ride, "arrive", &json!({})).await.ok();
        let walk = Self { tutor, walker, ride };
        let pin = walk.tutor.get(&walk.path("")).await.ok()["pin"].clone();
        act(&walk.walker, &walk.ride, "start", &json!({ "pin": pin })).await.ok();
        walk
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/v1/rides/{}{rest}", self.ride["id"].as_str().expect("an id"))
    }

    pub async fn track(&self, protocol: &str) -> (Socket, Value) {
        let mut socket = self.walker.socket(&self.path("/track"), protocol).await.expect("opened");
        let greeting = socket.next().await;
        (socket, greeting)
    }

    pub async fn live(&self, protocol: &str) -> (Socket, Value) {
        let mut socket = self.tutor.socket(&self.path("/live"), protocol).await.expect("opened");
        let greeting = socket.next().await;
        (socket, greeting)
    }
}

fn point(seq: u32) -> Value {
    json!({ "seq": seq, "at": 1_780_000_000_000_i64 + i64::from(seq) * 5_000,
            "place": { "lat": -23.0 + f64::from(seq) * 0.000_06, "lon": -46.0 }, "accuracy_m": 5.0 })
}

pub fn points(id: u32, seqs: impl IntoIterator<Item = u32>) -> Value {
    json!({ "type": "points", "id": id, "points": seqs.into_iter().map(point).collect::<Vec<_>>() })
}

/// A frame of a walker who does not go far from a place, so that no fence is crossed.
pub fn points_at((lat, lon): (f64, f64), id: u32, seqs: impl IntoIterator<Item = u32>) -> Value {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let now = u64::try_from(now).expect("a time");
    let point = |seq: u32| {
        json!({ "seq": seq, "at": now + u64::from(seq), "accuracy_m": 5.0,
                "place": { "lat": lat + f64::from(seq % 20) * 0.000_01, "lon": lon } })
    };
    json!({ "type": "points", "id": id, "points": seqs.into_iter().map(point).collect::<Vec<_>>() })
}

/// The numbers of the points in messages, until `count` have come.
async fn told(live: &mut Socket, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        let message = live.next().await;
        assert_eq!(message["type"], "live", "{message}");
        let points = message["points"].as_array().expect("points");
        seqs.extend(points.iter().map(|p| p["seq"].as_u64().expect("a number")));
        assert_eq!(message["cursor"], seqs.len(), "{message}");
    }
    seqs
}

#[tokio::test]
async fn a_watcher_is_told_every_point_once_in_order() {
    let walk = Walk::begin(-23.01, -46.01).await;
    let (mut track, greeting) = walk.track(PACKED).await;
    assert_eq!((&greeting["type"], &greeting["contiguous_seq"]), (&json!("stored"), &json!(0)), "{greeting}");
    let (mut live, greeting) = walk.live(JSON).await;
    assert_eq!((&greeting["state"], &greeting["cursor"]), (&json!("started"), &json!(0)), "{greeting}");
    let (mut packed, _) = walk.live(PACKED).await;
    // Frames are sent without waiting for answers, and answered in their order.
    for batch in 0..50 {
        track.send(&points(batch + 1, batch * 4 + 1..=batch * 4 + 4)).await;
    }
    for batch in 0..50 {
        let stored = track.next().await;
        assert_eq!((&stored["id"], &stored["stored"]), (&json!(batch + 1), &json!(4)), "{stored}");
        assert_eq!(stored["contiguous_seq"], batch * 4 + 4);
        assert!(stored["next"]["interval_ms"].as_u64().is_some_and(|ms| ms >= 1_000), "{stored}");
    }
    let expected: Vec<u64> = (1..=200).collect();
    assert_eq!(told(&mut live, 200).await, expected);
    assert_eq!(told(&mut packed, 200).await, expected);
}

#[tokio::test]
async fn what_happens_elsewhere_is_told_too_and_the_end_ends_it() {
    let walk = Walk::begin(-23.02, -46.02).await;
    let (mut live, _) = walk.live(JSON).await;
    let (mut track, _) = walk.track(JSON).await;
    track.ask(&points(1, 1..=3)).await;
    assert_eq!(told(&mut live, 3).await, [1, 2, 3]);
    let body = json!({ "points": [point(4), point(5)] });
    walk.walker.post(&walk.path("/points"), &body).await.ok();
    let message = live.next().await;
    assert_eq!((&message["cursor"], &message["points"][1]["seq"]), (&json!(5), &json!(5)), "{message}");
    act(&walk.walker, &walk.ride, "pause", &json!({})).await.ok();
    assert_eq!(live.next().await["state"], "paused");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    assert_eq!(live.next().await["state"], "completed");
    assert_eq!(live.closed().await.0, 1000);
    let late = track.ask(&points(2, 6..=6)).await;
    assert_eq!((&late["type"], &late["code"]), (&json!("refused"), &json!("not-active")), "{late}");
    let refused = walk.walker.socket(&walk.path("/track"), JSON).await.err().expect("refused");
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("not-active")));
}

#[tokio::test]
async fn sockets_are_opened_by_the_gateways_rules() {
    let walk = Walk::begin(-23.03, -46.03).await;
    let stranger = walk.tutor.join("tutor").await;
    let anybody = walk.tutor.with_token("forged");
    for (who, rest, protocol, status, code) in [
        (&walk.tutor, "/track", JSON, 403, "forbidden"),
        (&stranger, "/live", JSON, 404, "not-found"),
        (&anybody, "/live", JSON, 401, "bad-token"),
        (&walk.tutor, "/live", "petwalker.v9.json", 400, "bad-subprotocol"),
    ] {
        let (seen, body) = who.socket(&walk.path(rest), protocol).await.err().expect("refused");
        assert_eq!((seen, &body["code"]), (status, &json!(code)), "{rest} {protocol}: {body}");
    }
    let nowhere = walk.tutor.socket("/v1/rides/none/live", JSON).await.err().expect("refused");
    assert_eq!(nowhere.0, 404);
    let (mut live, _) = walk.live(JSON).await;
    live.send(&json!({ "type": "points" })).await;
    assert_eq!(live.closed().await.0, 1008, "a watcher sends nothing");
}

#[tokio::test]
async fn bad_frames_are_refused_and_the_socket_goes_on() {
    let walk = Walk::begin(-23.04, -46.04).await;
    let (mut track, _) = walk.track(JSON).await;
    let mut bad_place = point(1);
    bad_place["place"]["lat"] = json!(-95.0);
    for (frame, code, said) in [
        (Message::text("{\"type\":"), "malformed", "line 1 column 8"),
        (Message::text("[".repeat(5_000)), "malformed", "recursion"),
        (Message::binary(vec![0x80]), "malformed", "text"),
        (Message::text("{}"), "malformed", "type"),
        (Message::text("{\"type\":\"walk\"}"), "malformed", "walk"),
        (Message::text("{\"type\":\"points\",\"points\":[{\"seq\":-1}]}"), "malformed", "points[0].seq"),
        (
            Message::text(json!({ "type": "points", "id": 9, "points": [bad_place] }).to_string()),
            "invalid",
            "points[0].place",
        ),
        (Message::text(points(1, 1..=1_001).to_string()), "invalid", "1000"),
    ] {
        track.send_raw(frame.clone()).await;
        let refused = track.next().await;
        assert_eq!((&refused["type"], &refused["code"]), (&json!("refused"), &json!(code)), "{refused}");
        assert!(refused.to_string().contains(said), "{said}: {refused}");
    }
    let (mut packed, _) = walk.track(PACKED).await;
    for bytes in [vec![], vec![0xc1], vec![0x93; 10_000], not_a_number()] {
        packed.send_raw(Message::binary(bytes)).await;
        let refused = packed.next().await;
        assert_eq!(refused["type"], "refused", "{refused}");
    }
    assert_eq!(track.ask(&points(2, 1..=2)).await["stored"], 2);
    assert_eq!(packed.ask(&json!({ "type": "status", "id": 3 })).await["contiguous_seq"], 2);
    packed.send_raw(Message::binary(vec![0; 10 << 20])).await;
    assert_eq!(packed.closed().await.0, 1009);
    assert_eq!(track.ask(&points(4, 3..=3)).await["contiguous_seq"], 3);
}

/// A point whose latitude is NaN.
fn not_a_number() -> Vec<u8> {
    let place = rmp_serde::to_vec_named(&json!({ "lat": 0.5, "lon": 0.5 })).expect("encodes");
    let mut frame = rmp_serde::to_vec_named(
        &json!({ "type": "points", "points": [{ "seq": 1, "at": 1_780_000_000_000_i64,
        "place": { "lat": 0.5, "lon": 0.5 }, "accuracy_m": 5.0 }] }),
    )
    .expect("encodes");
    let half = 0.5_f64.to_be_bytes();
    let at = frame.windows(8).position(|bytes| bytes == half).expect("a latitude");
    frame[at..at + 8].copy_from_slice(&f64::NAN.to_be_bytes());
    assert!(place.len() < frame.len());
    frame
}

#[tokio::test]
async fn two_connections_of_one_walk_and_a_return_settle_what_was_stored() {
    let walk = Walk::begin(-23.05, -46.05).await;
    let (mut one, _) = walk.track(JSON).await;
    let (mut two, _) = walk.track(PACKED).await;
    for round in 0..20_u32 {
        // Each sends what the other sent the round before, backwards and with a hole.
        let from = round * 6;
        one.send(&points(round, (from + 1..=from + 8).rev().filter(|seq| seq % 6 != 3))).await;
        two.send(&points(round, (from + 1..=from + 8).filter(|seq| seq % 6 != 3))).await;
        let (a, b) = (one.next().await, two.next().await);
        let of = |answer: &Value, what: &str| answer[what].as_u64().expect("a number");
        let fresh = if round == 0 { 7 } else { 5 };
        assert_eq!(of(&a, "stored") + of(&b, "stored"), fresh, "{a} {b}");
    }
    drop((one, two));
    let (mut again, greeting) = walk.track(JSON).await;
    assert_eq!((&greeting["contiguous_seq"], &greeting["last_seq"]), (&json!(2), &json!(122)), "{greeting}");
    assert_eq!(greeting["missing"][0], json!({ "first": 3, "last": 3 }), "{greeting}");
    let missing = (0..20).map(|round| round * 6 + 3);
    let healed = again.ask(&points(1, missing)).await;
    assert_eq!((&healed["stored"], &healed["contiguous_seq"]), (&json!(20), &json!(122)), "{healed}");
    assert_eq!(healed["missing"], json!([]));
    let summary = walk.tutor.get(&walk.path("/route")).await.ok();
    assert_eq!(summary["points"], 122);
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_told_everything_when_it_does() {
    let walk = Walk::begin(-23.06, -46.06).await;
    let (mut live, _) = walk.live(JSON).await;
    let (mut track, _) = walk.track(PACKED).await;
    for batch in 0..300_u32 {
        track.ask(&points(batch, batch * 100 + 1..=batch * 100 + 100)).await;
    }
    assert_eq!(told(&mut live, 30_000).await, (1..=30_000).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let walk = Walk::begin(-23.09, -46.09).await;
    let issued = walk.tutor.post(&walk.path("/tickets"), &json!({ "socket": "live" })).await;
    assert_eq!(issued.status, 201, "{}", issued.text);
    let ticket = issued.json["value"].as_str().expect("a ticket").to_owned();
    let browser = walk.tutor.without_token();
    let path = walk.path(&format!("/live?ticket={ticket}"));
    let mut live = browser.socket(&path, JSON).await.expect("opened");
    assert_eq!(live.next().await["state"], "started");
    let again = browser.socket(&path, JSON).await.err().expect("refused");
    assert_eq!((again.0, &again.1["code"]), (401, &json!("bad-token")), "{}", again.1);
    let foreign = walk.tutor.post(&walk.path("/tickets"), &json!({ "socket": "track" })).await.ok();
    let foreign = walk.path(&format!("/live?ticket={}", foreign["value"].as_str().expect("a ticket")));
    assert_eq!(browser.socket(&foreign, JSON).await.err().expect("refused").0, 401);
    let stranger = walk.tutor.join("tutor").await;
    stranger.post(&walk.path("/tickets"), &json!({ "socket": "live" })).await.refused(404, "not-found");
}

/// Reads events until as many points were told or the stream ends: the numbers of the points, and the last event's id.
async fn read_events(mut stream: reqwest::Response, count: usize) -> (Vec<u64>, String, bool) {
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (mut text, mut seqs, mut last, mut over) = (String::new(), Vec::new(), String::new(), false);
    while seqs.len() < count
        && let Some(bytes) = stream.chunk().await.expect("the stream")
    {
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned())) {
            text = rest;
            over |= event.contains("event: over");
            let field = |name: &str| {
                event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            let Some(data) = field("data:").and_then(|data| serde_json::from_str::<Value>(&data).ok()) else {
                continue;
            };
            last = field("id:").expect("an id");
            assert_eq!(data["cursor"].to_string(), last);
            seqs.extend(
                data["points"]
                    .as_array()
                    .expect("points")
                    .iter()
                    .map(|p| p["seq"].as_u64().expect("a number")),
            );
        }
    }
    (seqs, last, over)
}

#[tokio::test]
async fn events_go_on_where_they_were_broken_off() {
    let walk = Walk::begin(-23.07, -46.07).await;
    let (mut track, _) = walk.track(PACKED).await;
    track.ask(&points(1, 1..=10)).await;
    let stream = walk.tutor.events(&walk.path("/live"), None).await;
    let (seqs, last, _) = read_events(stream, 10).await;
    assert_eq!((seqs, last.as_str()), ((1..=10).collect(), "10"));
    // The client is gone meanwhile, and comes back.
    track.ask(&points(2, 11..=1_010)).await;
    track.ask(&points(3, 1_011..=1_300)).await;
    let stream = walk.tutor.events(&walk.path("/live"), Some(&last)).await;
    let reading = tokio::spawn(read_events(stream, 1_294));
    track.ask(&points(4, 1_301..=1_304)).await;
    let (seqs, last, _) = reading.await.expect("read");
    assert_eq!((seqs, last.as_str()), ((11..=1_304).collect(), "1304"));
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let stream = walk.tutor.events(&walk.path("/live"), Some(&last)).await;
    let (seqs, last, over) = read_events(stream, usize::MAX).await;
    assert!(seqs.is_empty() && last == "1304" && over, "{seqs:?} {last}");
    let refused = walk.tutor.events(&walk.path("/live"), Some("x")).await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn an_answer_waits_for_news() {
    let walk = Walk::begin(-23.08, -46.08).await;
    let (mut track, _) = walk.track(PACKED).await;
    let now = walk.tutor.get(&walk.path("/live")).await.ok();
    assert_eq!((&now["cursor"], &now["state"]), (&json!(0), &json!("started")), "{now}");
    let path = walk.path("/live?since=0&wait=25s");
    let tutor = walk.tutor.clone();
    let waiting = tokio::spawn(async move { tutor.get(&path).await.ok() });
    track.ask(&points(1, 1..=3)).await;
    let news = waiting.await.expect("answered");
    assert_eq!((&news["cursor"], &news["points"][2]["seq"]), (&json!(3), &json!(3)), "{news}");
    let begun = tokio::time::Instant::now();
    let nothing = walk.tutor.get(&walk.path("/live?since=3&wait=1s")).await.ok();
    assert_eq!((&nothing["cursor"], &nothing["points"]), (&json!(3), &json!([])), "{nothing}");
    assert!(begun.elapsed().as_millis() >= 900, "{:?}", begun.elapsed());
    // A state that changed between two questions is told at once; the test would not wait for the 25 seconds.
    let path = walk.path("/live?since=3&state=paused&wait=25s");
    let changed = walk.tutor.get(&path);
    let changed =
        tokio::time::timeout(std::time::Duration::from_secs(10), changed).await.expect("told at once").ok();
    assert_eq!((&changed["state"], &changed["cursor"]), (&json!("started"), &json!(3)));
    let nothing = walk.tutor.get(&walk.path("/live?since=3&state=started&wait=1s")).await.ok();
    assert_eq!(nothing["points"], json!([]));
    walk.tutor.get(&walk.path("/live?since=3&wait=1h")).await.refused(422, "invalid");
    walk.tutor.join("tutor").await.get(&walk.path("/live")).await.refused(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_says_so() {
    let node = TestNode::start(config).await;
    let (tutor, _, ride) = accepted_on(&node.client(), -23.5, -46.6).await;
    let path = format!("/v1/rides/{}/live", ride["id"].as_str().expect("an id"));
    let mut live = tutor.socket(&path, JSON).await.expect("opened");
    let (closed, ()) = tokio::join!(live.closed(), node.stop());
    assert_eq!(closed.0, 1001, "{}", closed.1);
}
