//! Edges that lost everything, restored from a backup and the topics.

use edge_node::backup::{Credentials, Place, Wish, make, restore};
use petwalker_tests::Client;
use petwalker_tests::edges::Edges;
use serde_json::json;

use super::{PATIENCE, PLACE, REGION, insist, same_everywhere, three};

/// A ride of the tutor's, as one command; it is called off again, since a pet is on one ride at a time.
async fn ride(tutor: &Client, pet: &str, name: &str) -> String {
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    let (quote, ..) = insist(tutor, "/v1/quotes", &wanted, &format!("q-{name}")).await;
    let body = json!({ "quote_id": quote.ok()["id"], "pet_ids": [pet] });
    let (ride, ..) = insist(tutor, "/v1/rides", &body, &format!("r-{name}")).await;
    let id = ride.ok()["id"].as_str().expect("an id").to_owned();
    insist(tutor, &format!("/v1/rides/{id}/cancel"), &json!({}), &format!("c-{name}")).await.0.ok();
    id
}

async fn rides(tutor: &Client) -> Vec<String> {
    let headers = [("petwalker-region", REGION)];
    let page = tutor.raw(reqwest::Method::GET, "/v1/rides?limit=100", &headers, Vec::new()).await.ok();
    let mut ids: Vec<String> = page["rides"]
        .as_array()
        .expect("rides")
        .iter()
        .map(|ride| ride["id"].as_str().expect("an id").to_owned())
        .collect();
    ids.sort();
    ids
}

/// Ends every edge and removes what it had.
fn lose_everything(edges: &mut Edges) {
    for index in 0..edges.all.len() {
        edges.kill(index);
        let data = edges.config(index).node.data;
        for name in ["regions", "global.replica"] {
            std::fs::remove_dir_all(data.join(name)).expect("removed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_restored_to_their_end_and_to_a_moment() {
    let Some((mut edges, mut server, _turn)) =
        three("regions_are_restored_to_their_end_and_to_a_moment").await
    else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(owner).tutor_with_pet().await;
    let kept = tempfile::tempdir().expect("a folder");
    let place =
        Place::parse(kept.path().to_str().expect("UTF-8"), &Credentials::default()).expect("a folder");
    let mut expected = vec![ride(&tutor, &pet, "before").await];
    make(&edges.config(owner), &place, None, |_, _| {}).await.expect("made");
    expected.push(ride(&tutor, &pet, "between").await);
    edges.converged(REGION).await;
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a time").as_millis()).expect("small");
    let moment = now() + 1;
    while now() <= moment {
        tokio::task::yield_now().await;
    }
    let later = ride(&tutor, &pet, "after").await;
    edges.converged(REGION).await;

    // Without a moment, everything that the topic holds.
    for at_ms in [None, Some(moment)] {
        lose_everything(&mut edges);
        server.kill();
        server.wipe();
        server.resume().await;
        let wish = Wish { at_ms, ..Wish::default() };
        let restored = restore(&edges.config(owner), &place, None, &wish, |_| {}).await.expect("restored");
        assert_eq!(restored.regions[REGION].epoch.is_some(), at_ms.is_some());
        // Whoever is up first: the topic tells all of them.
        for index in (0..edges.all.len()).rev() {
            edges.resume(index);
        }
        edges.owner_of(REGION, PATIENCE).await;
        let fresh = ride(&tutor, &pet, &format!("fresh-{}", at_ms.is_some())).await;
        let mut all = expected.clone();
        all.extend([fresh]);
        all.extend(at_ms.is_none().then(|| later.clone()));
        all.sort();
        assert_eq!(rides(&tutor).await, all);
        same_everywhere(&edges).await;
    }
    edges.stop();
}
