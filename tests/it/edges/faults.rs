//! What befalls edges, and that nothing acknowledged is lost by it.

use std::time::Instant;

use serde_json::json;

use super::{PATIENCE, PLACE, REGION, TTL, all_there, another, insist, same_everywhere, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_region_survives_the_edge_that_is_killed() {
    let Some((mut edges, _server, _turn)) = three("a_region_survives_the_edge_that_is_killed").await else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let entry = another(&edges, owner);
    let (tutor, pet) = edges.client(entry).tutor_with_pet().await;
    let (done, took) = meanwhile!(tutor, pet, async {
        let killed = Instant::now();
        edges.kill(owner);
        let next = edges.owner_of(REGION, PATIENCE).await;
        assert_ne!(next, owner);
        killed.elapsed()
    });
    let longest = done.iter().map(|done| done.waited).max().expect("some");
    eprintln!(
        "{} rides; the next owner answered after {took:?}, the longest wait was {longest:?}",
        done.len()
    );
    all_there(&tutor, &done).await;
    // The dead one comes back, and is told what it missed.
    edges.resume(owner);
    same_everywhere(&edges).await;
    let again = edges.owner_of(REGION, PATIENCE).await;
    assert_ne!(again, owner, "an edge that comes back takes nothing from who owns it");
    edges.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_stood_still_wakes_up_as_a_stranger() {
    let Some((edges, _server, _turn)) = three("an_owner_that_stood_still_wakes_up_as_a_stranger").await
    else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let entry = another(&edges, owner);
    let (tutor, pet) = edges.client(entry).tutor_with_pet().await;
    // Requests of its own are under way when it stands still.
    let (local, other) = edges.client(owner).tutor_with_pet().await;
    let (mine, done) = meanwhile!(local, other, async {
        let ((done, ()), next) = (
            meanwhile!(tutor, pet, async {
                edges.stand_still(owner);
                let next = edges.owner_of(REGION, PATIENCE).await;
                assert_ne!(next, owner);
                edges.go_on(owner);
            }),
            edges.owner_of(REGION, PATIENCE).await,
        );
        assert_ne!(next, owner);
        done
    });
    all_there(&tutor, &done).await;
    all_there(&local, &mine).await;
    same_everywhere(&edges).await;
    edges.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_handed_over_and_nobody_is_refused() {
    let Some((edges, _server, _turn)) = three("a_region_is_handed_over_and_nobody_is_refused").await else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    let heir = (owner + 2) % 3;
    let (done, took) = meanwhile!(tutor, pet, async {
        let started = Instant::now();
        let (status, told) = edges.hand_over(owner, REGION, heir).await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(edges.owner_of(REGION, PATIENCE).await, heir);
        started.elapsed()
    });
    let longest = done.iter().map(|done| done.waited).max().expect("some");
    eprintln!("{} rides; handed over in {took:?}, the longest wait was {longest:?}", done.len());
    assert!(done.iter().all(|done| done.repeats == 0), "somebody was refused");
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    let (status, told) = edges.hand_over(owner, REGION, heir).await;
    assert_eq!(status, 409, "{told}");
    edges.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn rides_go_on_while_the_primary_is_away() {
    let Some((mut edges, mut server, _turn)) = three("rides_go_on_while_the_primary_is_away").await else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    // The edges all know the tutor before the primary goes.
    insist(
        &tutor,
        "/v1/quotes",
        &json!({
            "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [&pet],
        }),
        "first",
    )
    .await
    .0
    .ok();
    same_everywhere(&edges).await;
    server.kill();
    let (done, ()) = meanwhile!(tutor, pet, tokio::time::sleep(TTL * 3));
    assert!(done.iter().all(|done| done.repeats == 0), "somebody was refused");
    assert_eq!(edges.owner_of(REGION, PATIENCE).await, owner, "by the word of the others it stays");
    // Without one of the others nobody can tell whether it takes the lease: the owner stops when its term ends.
    let third = (0..3).find(|index| *index != owner && *index != another(&edges, owner)).expect("three");
    edges.kill(third);
    tokio::time::sleep(TTL * 2).await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [&pet] });
    let refused = tutor.post("/v1/quotes", &wanted).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    server.resume().await;
    edges.owner_of(REGION, PATIENCE).await;
    all_there(&tutor, &done).await;
    edges.resume(third);
    same_everywhere(&edges).await;
    edges.stop();
}
