//! The way to the pets, and the fences of the walk.

use petwalker_tests::{Client, Socket};
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::{accepted_on, act};

const METRE: f64 = 1.0 / 111_195.0;

/// A fix of the way to a pickup, so many metres north of it.
fn fix(lat: f64, lon: f64, second: i64, north_m: f64) -> Value {
    json!({ "at": 1_780_000_000_000_i64 + second * 1_000, "accuracy_m": 8.0,
            "place": { "lat": lat + north_m * METRE, "lon": lon } })
}

/// The crossings that the route tells.
async fn crossings(who: &Client, path: &str) -> Vec<(String, bool)> {
    let route = who.get(path).await.ok();
    let crossing = |c: &Value| (c["kind"].as_str().expect("a kind").to_owned(), c["entered"] == json!(true));
    route["crossings"].as_array().expect("crossings").iter().map(crossing).collect()
}

/// Waits until the tutor is told this way; other changes may be told before.
async fn told(live: &mut Socket, approach: &Value) -> Value {
    loop {
        let message = live.next().await;
        if message["approach"]["at"] == approach["at"] {
            assert_eq!(&message["approach"], approach);
            return approach.clone();
        }
    }
}

#[tokio::test]
async fn a_tutor_sees_the_walker_come() {
    let (lat, lon) = (-23.31, -46.31);
    let (tutor, walker, ride) = accepted_on(&petwalker_tests::shared().client(), lat, lon).await;
    let walk = Walk { tutor, walker, ride };
    let (mut live, greeting) = walk.live("petwalker.v1.json").await;
    assert_eq!((&greeting["state"], &greeting["approach"]), (&json!("accepted"), &Value::Null), "{greeting}");
    let (mut track, _) = walk.track("petwalker.v1.msgpack").await;
    let mut last = i64::MAX;
    for step in 0..8_u32 {
        let way = json!({ "type": "approach", "id": step, "fix": fix(lat, lon, i64::from(step) * 60, 560.0 - 70.0 * f64::from(step)) });
        let answer = track.ask(&way).await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!("approach"), &json!(step)), "{answer}");
        let told = told(&mut live, &answer["approach"]).await;
        let eta = told["eta_ms"].as_i64().expect("when");
        assert!(eta < last, "{told}");
        last = eta;
    }
    assert_eq!(last, 0, "70 m away is there");
    assert_eq!(live_state(&walk, "pickup").await, Some(true));
    // The same by REST, and it is the walker's to tell, on the way.
    let path = walk.path("/approach");
    let told = walk.walker.put(&path, &fix(lat, lon, 600, 30.0)).await.ok();
    assert!(told["distance_m"].as_f64().is_some_and(|m| (m - 30.0).abs() < 1.0), "{told}");
    self::told(&mut live, &told).await;
    walk.tutor.put(&path, &fix(lat, lon, 601, 30.0)).await.refused(403, "forbidden");
    walk.walker.put(&path, &fix(-95.0, lon, 601, 30.0)).await.refused(422, "invalid");
    let bad = track.ask(&json!({ "type": "approach", "id": 20 })).await;
    assert_eq!((&bad["code"], &bad["field"]), (&json!("malformed"), &json!("fix")), "{bad}");
    act(&walk.walker, &walk.ride, "arrive", &json!({})).await.ok();
    let pin = walk.tutor.get(&walk.path("")).await.ok()["pin"].clone();
    act(&walk.walker, &walk.ride, "start", &json!({ "pin": pin })).await.ok();
    walk.walker.put(&path, &fix(lat, lon, 900, 30.0)).await.refused(409, "not-active");
    let late = track.ask(&json!({ "type": "approach", "id": 21, "fix": fix(lat, lon, 900, 30.0) })).await;
    assert_eq!((&late["type"], &late["code"]), (&json!("refused"), &json!("not-active")), "{late}");
    let under_way = walk.tutor.get(&walk.path("/live")).await.ok();
    assert_eq!(under_way["approach"], Value::Null, "{under_way}");
    assert_eq!(crossings(&walk.tutor, &walk.path("/route")).await, [("pickup".to_owned(), true)]);
}

/// On which side of a fence the live message says that the walker is.
async fn live_state(walk: &Walk, kind: &str) -> Option<bool> {
    let live = walk.tutor.get(&walk.path("/live")).await.ok();
    let fences = live["fences"].as_array().expect("fences").clone();
    fences.iter().find(|fence| fence["kind"] == kind).map(|fence| fence["inside"] == json!(true))
}

#[tokio::test]
async fn a_walk_is_told_to_leave_home_and_its_area_and_to_come_back() {
    let (lat, lon) = (-23.32, -46.32);
    let walk = Walk::begin(lat, lon).await;
    let path = walk.path("/fences");
    let circle = |radius_m: f64| json!({ "centre": { "lat": lat, "lon": lon }, "radius_m": radius_m });
    walk.walker.put(&path, &json!({ "area": circle(400.0) })).await.refused(403, "forbidden");
    let small = walk.tutor.put(&path, &json!({ "area": circle(3.0) })).await;
    small.refused(422, "invalid");
    assert_eq!(small.json["field"], "area.radius_m");
    let set = walk.tutor.put(&path, &json!({ "area": circle(400.0) })).await.ok();
    let kinds: Vec<&Value> = set["fences"].as_array().expect("fences").iter().map(|f| &f["kind"]).collect();
    assert_eq!(kinds, ["pickup", "home", "area"]);
    assert_eq!(walk.walker.get(&path).await.ok(), set, "under way the walker knows the fences");
    let query = json!({ "query": format!("{{ fences(rideId: {}) {{ kind inside }} }}", walk.ride["id"]) });
    let fences = walk.tutor.post("/graphql", &query).await.ok();
    assert_eq!(fences["data"]["fences"][2], json!({ "kind": "AREA", "inside": true }), "{fences}");
    let points = |seqs: std::ops::Range<u32>| -> Vec<Value> {
        let north = |i: u32| f64::from(i.min(160 - i)) * 7.0 * METRE;
        let point = |i: u32| {
            json!({ "seq": i + 1, "at": 1_780_000_000_000_i64 + i64::from(i) * 5_000,
                    "place": { "lat": lat + north(i), "lon": lon }, "accuracy_m": 4.0 })
        };
        seqs.map(point).collect()
    };
    let (mut track, _) = walk.track("petwalker.v1.json").await;
    let stored = track.ask(&json!({ "type": "points", "id": 1, "points": points(0..12) })).await;
    assert_eq!(stored["next"]["interval_ms"], 4_000, "at the border the device looks often: {stored}");
    assert_eq!(live_state(&walk, "home").await, Some(true));
    let stored = track.ask(&json!({ "type": "points", "id": 2, "points": points(12..35) })).await;
    assert_eq!(stored["next"]["interval_ms"], 8_000, "far from it, and nobody watches: {stored}");
    assert_eq!(live_state(&walk, "home").await, Some(false));
    track.ask(&json!({ "type": "points", "id": 3, "points": points(35..160) })).await;
    let expected = [("home", false), ("area", false), ("area", true), ("home", true)];
    let expected: Vec<_> = expected.iter().map(|(kind, entered)| ((*kind).to_owned(), *entered)).collect();
    assert_eq!(crossings(&walk.tutor, &walk.path("/route")).await, expected);
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    assert_eq!(
        walk.walker.get(&path).await.ok()["fences"],
        json!([]),
        "the home is not the walker's any more"
    );
    walk.tutor.put(&path, &json!({})).await.refused(409, "not-active");
}
