//! Edges that cannot reach each other, or the primary, though all of them run.

use petwalker_tests::edges::Edges;

use super::{PATIENCE, REGION, TTL, all_there, another, plan, same_everywhere};
use petwalker_tests::Sqld;

/// Three edges whose cables can be cut.
async fn wired(test: &str) -> Option<(Edges, Sqld, tokio::sync::MutexGuard<'static, ()>)> {
    let turn = super::TURN.lock().await;
    let server = Sqld::start(test).await?;
    let plan = petwalker_tests::edges::Plan { cables: true, ..plan(&server) };
    let edges = Edges::start(&plan, |_| {}).await;
    Some((edges, server, turn))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_cannot_reach_the_primary_stays_the_only_one() {
    let Some((edges, _server, _turn)) =
        wired("an_owner_that_cannot_reach_the_primary_stays_the_only_one").await
    else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    let (done, ()) = meanwhile!(tutor, pet, async {
        edges.cut_off(owner, false);
        tokio::time::sleep(TTL * 3).await;
    });
    // The others reach the primary and see that the lease is not renewed; they gave their word to leave it.
    assert_eq!(edges.owner_of(REGION, PATIENCE).await, owner);
    all_there(&tutor, &done).await;
    edges.mend(owner);
    same_everywhere(&edges).await;
    edges.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_reaches_nobody_is_followed_by_another() {
    let Some((edges, _server, _turn)) = wired("an_owner_that_reaches_nobody_is_followed_by_another").await
    else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let entry = another(&edges, owner);
    let (tutor, pet) = edges.client(entry).tutor_with_pet().await;
    let (local, other) = edges.client(owner).tutor_with_pet().await;
    same_everywhere(&edges).await;
    // Both sides have clients of their own all the while.
    let (mine, done) = meanwhile!(local, other, async {
        let (done, ()) = meanwhile!(tutor, pet, async {
            edges.cut_off(owner, true);
            while edges.owner_of(REGION, PATIENCE).await == owner {
                tokio::time::sleep(TTL / 10).await;
            }
            // The one that was cut off knows by its own clock that its time is over.
            assert_eq!(edges.region(owner, REGION).await.expect("it answers")["owned"], false);
        });
        edges.mend(owner);
        done
    });
    assert_ne!(edges.owner_of(REGION, PATIENCE).await, owner);
    all_there(&tutor, &done).await;
    all_there(&local, &mine).await;
    same_everywhere(&edges).await;
    edges.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_reaches_nobody_keeps_its_owner_and_catches_up() {
    let Some((edges, _server, _turn)) =
        wired("a_standby_that_reaches_nobody_keeps_its_owner_and_catches_up").await
    else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let standby = another(&edges, owner);
    let (tutor, pet) = edges.client(owner).tutor_with_pet().await;
    let (done, ()) = meanwhile!(tutor, pet, async {
        edges.cut_off(standby, true);
        tokio::time::sleep(TTL * 3).await;
        assert_eq!(edges.owner_of(REGION, PATIENCE).await, owner, "two of three and the primary are enough");
        edges.mend(standby);
    });
    assert!(done.iter().all(|done| done.repeats == 0), "somebody was refused");
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    edges.stop();
}
