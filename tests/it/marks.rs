//! Marks on the route: noted on the way, seen by the tutor at once, drawn with the route.

use serde_json::{Value, json};

use crate::live::{Walk, points};
use crate::rides::act;

fn mark(kind: &str, minute: i64, lat: f64, lon: f64) -> Value {
    json!({ "kind": kind, "at": 1_780_000_000_000_i64 + minute * 60_000, "place": { "lat": lat, "lon": lon } })
}

fn kinds(marks: &Value) -> Vec<&str> {
    let marks = marks["marks"].as_array().expect("marks");
    marks.iter().map(|mark| mark["kind"].as_str().expect("a kind")).collect()
}

#[tokio::test]
async fn marks_are_told_drawn_hidden_and_erased() {
    let (lat, lon) = (-23.35, -46.35);
    let walk = Walk::begin(lat, lon).await;
    let (mut live, greeting) = walk.live("petwalker.v1.json").await;
    assert_eq!(greeting["marks"], 0, "{greeting}");
    let path = |id: u32| walk.path(&format!("/marks/0197b9a1-7c00-7000-8000-{id:012}"));
    // Sent twice over a bad link it is one mark; the second one changes its mind.
    for (id, body) in [
        (1, mark("pee", 5, lat + 0.01, lon)),
        (1, mark("pee", 5, lat + 0.01, lon)),
        (2, mark("poo", 2, lat, lon)),
        (2, mark("water", 2, lat, lon)),
        (3, mark("photo", 9, lat + 0.02, lon)),
    ] {
        let kept = walk.walker.put(&path(id), &body).await.ok();
        assert_eq!((&kept["kind"], &kept["at"]), (&body["kind"], &body["at"]), "{kept}");
    }
    while live.next().await["marks"] != 3 {}
    walk.tutor.put(&path(4), &mark("pee", 1, lat, lon)).await.refused(403, "forbidden");
    walk.walker.put(&path(4), &mark("hole", 1, lat, lon)).await.refused(400, "malformed");
    walk.walker.put(&path(4), &mark("pee", 1, 91.0, lon)).await.refused(422, "invalid");
    walk.walker.put(&walk.path("/marks/x"), &mark("pee", 1, lat, lon)).await.refused(422, "invalid");
    assert_eq!(walk.walker.delete(&path(9)).await.status, 204, "there was none");
    let all = walk.tutor.get(&walk.path("/marks")).await.ok();
    assert_eq!(kinds(&all), ["water", "pee", "photo"]);
    let query = json!({ "query": format!("{{ marks(rideId: {}) {{ kind }} }}", walk.ride["id"]) });
    assert_eq!(walk.tutor.post("/graphql", &query).await.ok()["data"]["marks"][0]["kind"], "WATER");
    let (mut track, _) = walk.track("petwalker.v1.json").await;
    track.ask(&points(1, 1..=20)).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    walk.walker.put(&path(5), &mark("pee", 1, lat, lon)).await.refused(409, "not-active");
    walk.walker.delete(&path(1)).await.refused(409, "not-active");
    for (who, seen) in [(&walk.tutor, vec!["water", "pee", "photo"]), (&walk.walker, vec!["pee", "photo"])] {
        assert_eq!(kinds(&who.get(&walk.path("/marks")).await.ok()), seen);
        let geojson: Value =
            serde_json::from_str(&who.get(&walk.path("/route.geojson")).await.text).expect("GeoJSON");
        assert_eq!(kinds(&geojson["properties"]), seen);
        let gpx = who.get(&walk.path("/route.gpx")).await.text;
        assert_eq!(gpx.matches("<wpt").count(), seen.len(), "{gpx}");
    }
    assert_eq!(walk.tutor.delete(&walk.path("/route")).await.status, 204);
    assert_eq!(kinds(&walk.tutor.get(&walk.path("/marks")).await.ok()), Vec::<&str>::new());
}
