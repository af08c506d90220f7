//! What edges, their topics and their common database keep of people.

use std::time::Duration;

use petwalker_tests::Client;
use serde_json::{Value, json};

use super::ways::{cluster, owner, stop};
use super::{PLACE, REGION};
use crate::held::holdings;
use crate::secrets::{
    NOTES, PASSWORD, complete, holding, spellings, tells_no_secret, tells_nothing_of, walk_with_keys,
};

/// A home in the region that the tests look at.
const HOME: (f64, f64) = (PLACE.0 + 0.000_417, PLACE.1 + 0.000_213);

/// Asks an edge until what it finds is that all hold the same.
async fn all_the_same(admin: &str) {
    let url = format!("{admin}/regions/{REGION}/verify");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let found: Value = reqwest::get(&url).await.expect("answered").json().await.expect("JSON");
        let others = found["others"].as_array().cloned().unwrap_or_default();
        let seq = &found["holds"]["seq"];
        if others.len() == 2
            && others.iter().all(|other| other["seq"] == *seq && other["differs"] == json!([]))
        {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edge_and_no_topic_tells_a_secret_nor_keeps_who_was_erased() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path()).await;
    let (_, url, admin) = owner(&cluster).await;
    let email = "edges.person@test.example";
    let (walk, signed_up) = walk_with_keys(&Client::of(&url), email, HOME).await;
    complete(&walk).await;
    all_the_same(&admin).await;
    tells_no_secret(folder.path(), &walk, &signed_up);
    // In the clear a home is where a region's rides are looked for, and nowhere else: in no topic, and not in what all share.
    for bytes in spellings(HOME.0).into_iter().chain([NOTES.as_bytes().to_vec()]) {
        let found = holding(folder.path(), &bytes);
        assert!(found.iter().all(|name| name.starts_with(REGION) && name.contains(".db")), "{found:?}");
    }

    assert_eq!(walk.tutor.post("/v1/me/erasure", &json!({ "password": PASSWORD })).await.status, 204);
    let files: Vec<_> = cluster
        .edges()
        .map(|(name, ..)| folder.path().join(name).join("regions").join(format!("{REGION}.db")))
        .collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    for file in &files {
        let details = async || {
            let held = holdings(file).await;
            held.iter().find(|(view, _)| view == "replicated_ride_details").expect("a view").1.len()
        };
        while details().await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{} remembers", file.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    all_the_same(&admin).await;
    stop(cluster).await;
    tells_no_secret(folder.path(), &walk, &signed_up);
    tells_nothing_of(folder.path(), Some(email), HOME);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_changes_hands_for_operators_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path()).await;
    let (owner, _, admin) = owner(&cluster).await;
    let heir = cluster.edges().find(|(name, ..)| *name != owner).expect("another").0.to_owned();
    let url = format!("{admin}/regions/{REGION}/hand-over?to={heir}");
    let http = reqwest::Client::new();
    let status =
        async |request: reqwest::RequestBuilder| request.send().await.expect("answered").status().as_u16();
    let token = cluster.admin_token().to_owned();
    assert_eq!(status(http.post(&url)).await, 401);
    let page = http.post(&url).bearer_auth(&token).header("origin", "https://evil.example");
    assert_eq!(status(page).await, 403);
    assert_eq!(cluster.owner(REGION).await.expect("asked").as_deref(), Some(owner.as_str()));
    assert_eq!(status(http.post(&url).bearer_auth(&token)).await, 200);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while cluster.owner(REGION).await.expect("asked").as_deref() != Some(heir.as_str()) {
        assert!(tokio::time::Instant::now() < deadline, "the region did not change hands");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(cluster).await;
}
