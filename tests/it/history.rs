//! Routes after the walk: what they are drawn with, who sees what of them, and how they go.

use petwalker_tests::Answer;
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::act;

/// A walk of 1.4 km northwards from the pickup and back, over.
async fn walked(lat: f64, lon: f64) -> Walk {
    let walk = Walk::begin(lat, lon).await;
    let points: Vec<Value> = (0..400_u32)
        .map(|i| {
            let north = f64::from(i.min(399 - i)) * 0.000_063;
            json!({ "seq": i + 1, "at": 1_780_000_000_000_i64 + i64::from(i) * 5_000,
                    "place": { "lat": lat + north, "lon": lon }, "accuracy_m": 4.0 })
        })
        .collect();
    walk.walker.post(&walk.path("/points"), &json!({ "points": points })).await.ok();
    walk
}

fn positions(answer: &Answer) -> Vec<(f64, f64)> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let route: Value = serde_json::from_str(&answer.text).expect("GeoJSON");
    let lines = match route["geometry"]["type"].as_str() {
        Some("LineString") => vec![route["geometry"]["coordinates"].clone()],
        _ => route["geometry"]["coordinates"].as_array().expect("lines").clone(),
    };
    let position = |p: &Value| (p[1].as_f64().expect("degrees"), p[0].as_f64().expect("degrees"));
    lines.iter().flat_map(|line| line.as_array().expect("positions")).map(position).collect()
}

#[tokio::test]
async fn a_route_is_as_fine_as_asked_for_and_hides_the_home_from_the_walker() {
    let (lat, lon) = (-22.51, -45.51);
    let walk = walked(lat, lon).await;
    let near = |(p_lat, _): &(f64, f64)| (p_lat - lat).abs() * 111_195.0 < 150.0;
    let path = walk.path("/route.geojson");
    let all = positions(&walk.walker.get(&path).await);
    assert!(all.len() == 400 && all.iter().any(near), "under way, the walker sees everything");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let hidden = positions(&walk.walker.get(&path).await);
    assert!(hidden.len() > 300 && !hidden.iter().any(near), "{} positions", hidden.len());
    assert_eq!(positions(&walk.tutor.get(&path).await).len(), 400);
    let coarse = positions(&walk.tutor.get(&walk.path("/route.geojson?tolerance_m=10")).await);
    assert!((3..=12).contains(&coarse.len()), "{} positions", coarse.len());
    let lines = walk.tutor.get(&walk.path("/route.polylines?tolerance_m=10")).await.ok();
    let line = lines["polylines"][0].as_str().expect("a polyline");
    assert!((10..=80).contains(&line.len()), "{line}");
    let gpx = walk.walker.get(&walk.path("/route.gpx")).await.text;
    assert!(gpx.contains("<trkseg>") && !gpx.contains(&format!("lat=\"{lat:.6}\"")), "{gpx}");
    let bad = walk.tutor.get(&walk.path("/route.gpx?tolerance_m=5000")).await;
    bad.refused(422, "invalid");
    assert_eq!(bad.json["field"], "tolerance_m");
}

#[tokio::test]
async fn no_way_of_reading_a_walk_that_is_over_shows_its_walker_the_home() {
    let (lat, lon) = (-22.53, -45.53);
    let walk = walked(lat, lon).await;
    // The dog does not want to leave: two minutes at the door.
    let waits: Vec<Value> = (0..25_u32)
        .map(|i| {
            json!({ "seq": 401 + i, "at": 1_780_002_000_000_i64 + i64::from(i) * 5_000,
                    "place": { "lat": lat, "lon": lon }, "accuracy_m": 4.0 })
        })
        .collect();
    walk.walker.post(&walk.path("/points"), &json!({ "points": waits })).await.ok();
    let before = walk.walker.get(&walk.path("/live?since=0")).await.ok();
    assert_eq!(before["points"].as_array().map(Vec::len), Some(425), "under way, the walker sees everything");
    assert!(before["figures"]["place"].is_object(), "{}", before["figures"]);
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let near = |place: &Value| (place["lat"].as_f64().expect("degrees") - lat).abs() * 111_195.0 < 150.0;
    for (who, sees) in [(&walk.walker, false), (&walk.tutor, true)] {
        let live = who.get(&walk.path("/live?since=0")).await.ok();
        let points = live["points"].as_array().expect("points");
        assert_eq!((points.iter().any(|p| near(&p["place"])), &live["cursor"]), (sees, &json!(425)));
        assert!(points.len() > 300 && live["figures"]["place"].is_null(), "{}", live["figures"]);
        let events = who.events(&walk.path("/live"), None).await.text().await.expect("an end");
        assert_eq!((events.contains(&format!("\"lat\":{lat}")), events.contains("over")), (sees, true));
        let route = who.get(&walk.path("/route")).await.ok();
        let pauses = route["pauses"].as_array().expect("pauses");
        assert_eq!(pauses.iter().any(|pause| pause["place"].is_object()), sees, "{route}");
        let mut socket = who.socket(&walk.path("/live"), "petwalker.v1.json").await.expect("opened");
        assert!(socket.next().await["figures"]["place"].is_null());
    }
}

#[tokio::test]
async fn a_route_is_erased_by_its_tutor_once_the_ride_is_over() {
    let walk = walked(-22.52, -45.52).await;
    let path = walk.path("/route");
    walk.tutor.delete(&path).await.refused(409, "illegal-transition");
    let done = act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    walk.walker.delete(&path).await.refused(403, "forbidden");
    assert_eq!(walk.tutor.delete(&path).await.status, 204);
    assert_eq!(walk.tutor.get(&path).await.ok()["points"], 0);
    // What was walked stays known of the ride: it was paid for.
    assert_eq!(walk.tutor.get(&walk.path("")).await.ok()["distance_m"], done["distance_m"]);
    assert!(done["distance_m"].as_u64().is_some_and(|metres| metres > 2_500), "{done}");
    assert_eq!(walk.tutor.delete(&path).await.status, 204);
}
