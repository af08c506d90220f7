//! People who are erased while they have rides.

use petwalker_tests::TestNode;
use serde_json::json;

use crate::live::points;
use crate::rides::act;
use crate::secrets::{HOME, PASSWORD, count, node, none_left, walk_with_keys};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_during_a_walk_leaves_no_track_after_it() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let first = TestNode::start(|_| node(&data)).await;
    let (walk, _) = walk_with_keys(&first.client(), "leaves@test.example", HOME).await;
    // Another ride, which nobody has accepted, with a circle around the home.
    let pet = walk.tutor.add_pet("Leo").await;
    let waiting = walk.tutor.request_ride(&pet, HOME.0, HOME.1).await;
    let waiting = waiting["id"].as_str().expect("an id");
    let home = json!({ "home": { "centre": { "lat": HOME.0, "lon": HOME.1 }, "radius_m": 50 } });
    walk.tutor.put(&format!("/v1/rides/{waiting}/fences"), &home).await.ok();
    let region = data.join("region.db");
    assert_eq!(count(&region, "tracks").await, 2);
    assert_eq!(walk.tutor.post("/v1/me/erasure", &json!({ "password": PASSWORD })).await.status, 204);
    // What has not begun is called off, and its track goes; the walk goes on.
    none_left(&region, &format!("rides WHERE id = '{waiting}' AND ended_at_ms IS NULL")).await;
    none_left(&region, &format!("tracks WHERE ride_id = '{waiting}'")).await;
    walk.walker.post(&walk.path("/points"), &json!({ "points": points(1, 1..=3)["points"] })).await.ok();
    assert_eq!(count(&region, "tracks").await, 1);
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    for table in ["tracks", "track_chunks"] {
        none_left(&region, table).await;
    }
    first.stop().await;
}
