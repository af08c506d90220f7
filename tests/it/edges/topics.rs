//! Topics that are given up for others.

use std::time::Instant;

use petwalker_tests::Sqld;
use petwalker_tests::edges::{Edges, Plan};

use super::brokers::{Broker, shell};
use super::{Asking, PATIENCE, REGION, TTL, all_there, another, plan, same_everywhere};

/// As the runbook says for a topic that has stalled. Where a broker is given, its storage units are ended under load first,
/// which has been seen to stall topics of Fluvio.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_takes_a_region_to_another_topic() {
    let test = "the_last_owner_takes_a_region_to_another_topic";
    let turn = super::TURN.lock().await;
    let Some(server) = Sqld::start(test).await else { return };
    let broker = Broker::given();
    let fluvio = broker.as_ref().map(|broker| broker.address.clone());
    let mut edges = Edges::start(&Plan { fluvio, ..plan(&server) }, |_| {}).await;
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(owner).tutor_with_pet().await;
    let asking = Asking::start(tutor.clone(), pet);
    asking.more(5).await;
    // The others do not see what comes now.
    let standbys: Vec<usize> = (0..edges.all.len()).filter(|edge| *edge != owner).collect();
    for &standby in &standbys {
        edges.kill(standby);
    }
    asking.more(5).await;
    if let Some(broker) = &broker {
        shell(&broker.stop);
        shell(&broker.start);
    }
    edges.kill(owner);
    edges.move_topics(&format!("u{}-", std::process::id()));

    // One that is behind would lose what was acknowledged, and the new topic could not tell it so.
    edges.resume(standbys[0]);
    let started = Instant::now();
    while started.elapsed() < 3 * TTL {
        let known = edges.region(standbys[0], REGION).await;
        assert!(known.is_none_or(|known| known["owned"] != true), "a standby took over with an empty topic");
        tokio::time::sleep(TTL / 10).await;
    }
    edges.resume(owner);
    assert_eq!(edges.owner_of(REGION, PATIENCE).await, owner);
    asking.more(5).await;
    edges.resume(standbys[1]);
    let done = asking.stop().await;
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    // From now on they follow it as ever.
    edges.kill(owner);
    assert_ne!(edges.owner_of(REGION, PATIENCE).await, owner);
    let entry = edges.client(another(&edges, owner));
    all_there(&tutor.at(entry.url()), &done).await;
    edges.stop();
    drop(turn);
}
