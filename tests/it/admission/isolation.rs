//! Requests that share no instance with others.

use std::time::Duration;

use edge_node::Config;
use petwalker_tests::{TestNode, misbehave_config};
use tokio::task::JoinSet;

/// A node on which some paths are isolated.
fn isolating(data: &std::path::Path, routes: &[&str]) -> Config {
    let mut config = misbehave_config(data);
    config.limits.request_timeout_ms = 2_000;
    for group in &mut config.admission.isolated {
        group.routes = routes.iter().map(|route| (*route).to_owned()).collect();
        group.requests = 4;
    }
    config
}

/// C2: traps of isolated requests end no other request, shared or isolated.
#[tokio::test(flavor = "multi_thread")]
async fn a_trap_costs_its_own_call() {
    for routes in [&["/trap"][..], &["/trap", "/rest"]] {
        let node = TestNode::start(|data| {
            let mut config = isolating(data, routes);
            config.limits.request_timeout_ms = 20_000;
            config
        })
        .await;
        let client = node.client();
        let mut resting = JoinSet::new();
        for _ in 0..30 {
            let client = client.clone();
            resting.spawn(async move { client.get("/rest").await });
        }
        let mut trapping = JoinSet::new();
        for _ in 0..20 {
            let client = client.clone();
            trapping.spawn(async move { client.get("/trap").await });
        }
        for trapped in trapping.join_all().await {
            trapped.refused(500, "component-failed");
        }
        for rested in resting.join_all().await {
            assert_eq!((rested.status, rested.text.as_str()), (200, "rested"), "isolated: {routes:?}");
        }
        node.stop().await;
    }
}

/// C5: requests that compute keep nobody else waiting, and no more of them queue than may.
#[tokio::test(flavor = "multi_thread")]
async fn what_computes_keeps_nobody_waiting() {
    let node = TestNode::start(|data| {
        let mut config = isolating(data, &["/loop"]);
        config.admission.isolated[0].queue = 2;
        config
    })
    .await;
    let client = node.client();
    let mut looping = JoinSet::new();
    for _ in 0..12 {
        let client = client.clone();
        looping.spawn(async move { client.get("/loop").await });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = std::time::Instant::now();
        assert_eq!(client.get("/fine").await.text, "fine");
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let answers = looping.join_all().await;
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    // Four run and two queue, which may wait in vain.
    assert!((6..=8).contains(&refused), "{refused} of 12 were refused");
    node.stop().await;
}
