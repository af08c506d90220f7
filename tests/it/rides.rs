//! Rides from request to invoice.

use petwalker_tests::{Client, TestNode, config, shared};
use serde_json::{Value, json};
use std::time::Duration;

/// Asks until the answer is as wanted.
pub async fn until(client: &Client, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let answer = client.get(path).await;
        if answer.status == 200 && wanted(&answer.json) {
            return answer.json;
        }
        assert!(tokio::time::Instant::now() < deadline, "{path}: {} {}", answer.status, answer.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn act(client: &Client, ride: &Value, step: &str, body: &Value) -> petwalker_tests::Answer {
    let id = ride["id"].as_str().expect("an id");
    client.post(&format!("/v1/rides/{id}/{step}"), body).await
}

/// A ride accepted near a place of its own, with its tutor and walker.
async fn accepted(lat: f64, lon: f64) -> (Client, Client, Value) {
    accepted_on(&shared().client(), lat, lon).await
}

/// The same on any node.
pub async fn accepted_on(client: &Client, lat: f64, lon: f64) -> (Client, Client, Value) {
    let walker = client.walker_at(lat, lon).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    assert_eq!(ride["state"], "offered");
    let ride = act(&walker, &ride, "accept", &json!({})).await.ok();
    (tutor, walker, ride)
}

#[tokio::test]
async fn illegal_steps_are_refused_and_change_nothing() {
    let (tutor, walker, ride) = accepted(-22.95, -43.20).await;
    for step in ["pause", "resume", "complete", "no-show", "accept"] {
        let answer = act(&walker, &ride, step, &json!({})).await;
        answer.refused(409, "illegal-transition");
    }
    act(&walker, &ride, "start", &json!({ "pin": "0000" })).await.refused(409, "illegal-transition");
    act(&tutor, &ride, "arrive", &json!({})).await.refused(403, "forbidden");
    let stranger = shared().client().join("walker").await;
    act(&stranger, &ride, "arrive", &json!({})).await.refused(404, "not-found");
    let now = tutor.get(&format!("/v1/rides/{}", ride["id"].as_str().expect("an id"))).await;
    assert_eq!(now.json["version"], ride["version"]);
    assert_eq!(now.headers["etag"], format!("\"{}\"", ride["version"]).as_str());
    // The walker sees the pickup and not the PIN; the tutor sees both.
    assert!(ride["pin"].is_null() && !ride["pickup"].is_null());
    assert!(now.json["pin"].is_string());
}

#[tokio::test]
async fn pins_are_tried_a_few_times_only() {
    let (tutor, walker, ride) = accepted(-19.92, -43.94).await;
    act(&walker, &ride, "arrive", &json!({})).await.ok();
    let path = format!("/v1/rides/{}", ride["id"].as_str().expect("an id"));
    let pin = tutor.get(&path).await.ok()["pin"].as_str().expect("a PIN").to_owned();
    let wrong = if pin == "0000" { "0001" } else { "0000" };
    for _ in 0..5 {
        act(&walker, &ride, "start", &json!({ "pin": wrong })).await.refused(403, "wrong-pin");
    }
    act(&walker, &ride, "start", &json!({ "pin": pin })).await.refused(429, "too-many-attempts");
}

#[tokio::test]
async fn a_walker_who_cancels_is_replaced_and_a_tutor_who_cancels_late_pays() {
    let client = shared().client();
    let (lat, lon) = (-8.05, -34.90);
    let first = client.walker_at(lat, lon).await;
    let second = client.walker_at(lat + 0.001, lon).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    act(&first, &ride, "accept", &json!({})).await.ok();
    act(&second, &ride, "accept", &json!({})).await.refused(409, "already-taken");
    let third = client.walker_at(lat, lon + 0.001).await;
    let again = act(&first, &ride, "cancel", &json!({})).await.ok();
    assert_eq!(again["state"], "offered", "{again}");
    act(&third, &ride, "accept", &json!({})).await.ok();
    act(&third, &ride, "arrive", &json!({})).await.ok();
    let cancelled = act(&tutor, &ride, "cancel", &json!({})).await.ok();
    assert_eq!((&cancelled["state"], &cancelled["cancelled_by"]), (&json!("cancelled"), &json!("tutor")));
    assert_eq!(cancelled["fee"], cancelled["price"]);
    let path = format!("/v1/rides/{}/invoice", ride["id"].as_str().expect("an id"));
    let invoice = until(&tutor, &path, |i| i["payment"] == "captured").await;
    assert_eq!((&invoice["total"], &invoice["lines"][0]["kind"]), (&ride["price"], &json!("fee")));
}

#[tokio::test]
async fn points_are_taken_in_both_formats_and_only_while_walking() {
    #[derive(serde::Serialize)]
    struct Place {
        lat: f64,
        lon: f64,
    }
    #[derive(serde::Serialize)]
    struct Point {
        seq: u32,
        at: i64,
        place: Place,
        accuracy_m: f32,
        elevation_m: Option<f32>,
    }
    #[derive(serde::Serialize)]
    struct Points {
        points: Vec<Point>,
    }
    let (tutor, walker, ride) = accepted(-25.43, -49.27).await;
    let path = format!("/v1/rides/{}/points", ride["id"].as_str().expect("an id"));
    let json_point = |seq: u32, lat: f64| {
        json!({ "points": [{ "seq": seq, "at": 1_780_000_000_000_i64 + i64::from(seq) * 5_000,
                 "place": { "lat": lat, "lon": -49.27 }, "accuracy_m": 5.0, "elevation_m": null }] })
    };
    walker.post(&path, &json_point(1, -25.43)).await.refused(409, "not-active");
    act(&walker, &ride, "arrive", &json!({})).await.ok();
    let pin =
        tutor.get(&format!("/v1/rides/{}", ride["id"].as_str().expect("an id"))).await.ok()["pin"].clone();
    act(&walker, &ride, "start", &json!({ "pin": pin })).await.ok();
    tutor.post(&path, &json_point(1, -25.43)).await.refused(403, "forbidden");
    walker.post(&path, &json_point(1, -25.43)).await.ok();
    let place = Place { lat: -25.4301, lon: -49.27 };
    let two = Points {
        points: vec![Point { seq: 2, at: 1_780_000_010_000, place, accuracy_m: 5.0, elevation_m: None }],
    };
    let body = rmp_serde::to_vec_named(&two).expect("encodes");
    let kind = [("content-type", "application/msgpack")];
    let receipt = walker.raw(reqwest::Method::POST, &path, &kind, body).await.ok();
    assert_eq!(receipt["contiguous_seq"], 2, "{receipt}");
    let bad = walker.post(&path, &json_point(3, -95.0)).await;
    bad.refused(422, "invalid");
    assert_eq!(bad.json["field"], "points[0].place");
    let summary = tutor.get(&format!("/v1/rides/{}/route", ride["id"].as_str().expect("an id"))).await.ok();
    let metres = summary["distance_m"].as_f64().expect("a number");
    assert!((metres - 11.1).abs() < 1.0, "{metres}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let first = TestNode::start(config).await;
    let client = first.client();
    let _walker = client.walker_at(-30.03, -51.23).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, -30.03, -51.23).await;
    let folder = first.folder.path().to_owned();
    let kept = tempfile::tempdir().expect("a folder");
    // Copied while the node runs: what a power loss would leave.
    for file in ["region.db", "region.db-wal", "global.db", "global.db-wal"] {
        if folder.join(file).exists() {
            std::fs::copy(folder.join(file), kept.path().join(file)).expect("copied");
        }
    }
    std::fs::create_dir(kept.path().join("secrets")).expect("made");
    for secret in ["token_seed", "operator_code"] {
        let path = format!("secrets/{secret}");
        std::fs::copy(folder.join(&path), kept.path().join(&path)).expect("copied");
    }
    let data = kept.path().to_owned();
    let second = TestNode::start(move |_| config(&data)).await;
    let path = format!("{}/v1/rides/{}", second.url, ride["id"].as_str().expect("an id"));
    let after =
        second.client().post("/v1/sessions", &json!({ "email": "none@test.example", "password": "x" })).await;
    after.refused(401, "bad-credentials");
    let again = tutor.at(&second.url).get(path.strip_prefix(&second.url).expect("a path")).await.ok();
    assert_eq!(again, ride);
    first.stop().await;
    second.stop().await;
}
