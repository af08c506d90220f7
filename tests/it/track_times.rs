//! Which points count: those that were taken between the walk's start and now, give or take the clocks' skew.

use std::time::{SystemTime, UNIX_EPOCH};

use petwalker_tests::{TestNode, config};
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::act;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

/// A walk northwards at 1.4 m/s with a fix each 5 s.
fn points(first: u32, count: u32, start_ms: i64) -> Value {
    let points = (0..count).map(|i| {
        json!({ "seq": first + i, "at": start_ms + i64::from(i) * 5_000, "accuracy_m": 4.0,
                "place": { "lat": -23.41 + f64::from(i) * 7.0 / 111_195.0, "lon": -46.41 } })
    });
    json!({ "points": points.collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_another_time_are_kept_and_do_not_count() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.variables.remove("track_skew_s");
        config
    })
    .await;
    let walk = Walk::begin_on(&node.client(), -23.41, -46.41).await;
    let hour = 3_600_000;
    for (first, start) in [(1, now_ms() - 24 * hour), (3_001, now_ms() + hour), (5_001, 4_070_908_800_000)] {
        walk.walker.post(&walk.path("/points"), &points(first, 200, start)).await.ok();
    }
    let live = walk.tutor.get(&walk.path("/live")).await.ok();
    assert!(live["figures"].is_null(), "{live}");
    let summary = walk.tutor.get(&walk.path("/route")).await.ok();
    for (figure, expected) in
        [("distance_m", 0.0), ("elapsed_ms", 0.0), ("points", 600.0), ("out_of_time", 600.0)]
    {
        assert_eq!(summary[figure].as_f64(), Some(expected), "{figure}: {summary}");
    }
    // What lies between counts: here 70 m of a walk that the device's clock puts a minute before its start.
    walk.walker.post(&walk.path("/points"), &points(1_001, 11, now_ms() - 60_000)).await.ok();
    let done = act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let summary = walk.tutor.get(&walk.path("/route")).await.ok();
    let metres = summary["distance_m"].as_f64().expect("a number");
    assert!((metres - 70.0).abs() < 4.0, "{summary}");
    assert_eq!((&summary["elapsed_ms"], &summary["out_of_time"]), (&json!(50_000), &json!(600)), "{summary}");
    let booked = done["distance_m"].as_f64().expect("a number");
    assert!((booked - metres).abs() <= 1.0, "{done}");
    node.stop().await;
}
