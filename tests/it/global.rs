//! The global database with its primary on a real libSQL server, and a replica at each node.

use std::path::Path;
use std::time::{Duration, Instant};

use edge_data::lease::{Answer, Ask, Claimant, LeaseStore};
use edge_data::migrate;
use edge_node::Config;
use edge_node::config::Primary;
use petwalker_tests::{Client, Sqld, TestNode, config, root};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);
const SEEN: &str = "petwalker-seen";

/// A node whose global database is that server's.
fn at(server: &Sqld) -> impl Fn(&Path) -> Config {
    let primary = Primary {
        url: server.url(),
        token_file: None,
        sync_interval_ms: 200,
        wait_ms: 500,
        statement_timeout_ms: 2_000,
    };
    move |data| {
        let mut config = config(data);
        config.variables.insert("token_seed".to_owned(), "ab".repeat(32));
        config.databases.0.get_mut("global").expect("there").primary = Some(primary.clone());
        config
    }
}

/// Waits until a metric of the node has that value.
async fn metric(node: &TestNode, name: &str, value: &str) {
    let started = Instant::now();
    let line = format!("{name}{{database=\"global\"}} {value}");
    loop {
        let text = node.metrics().await;
        if text.lines().any(|l| l == line) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "no '{line}' in\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// That a node whose primary is away and another in the same process, asked at the same time, do not tell of each other.
async fn each_tells_of_itself(away: &TestNode) {
    let Some(server) = Sqld::start("each_tells_of_itself").await else { return };
    let well = TestNode::start(at(&server)).await;
    metric(&well, "replica_failing", "0").await;
    let mut asked = tokio::task::JoinSet::new();
    for (node, value) in [(away, "1"), (&well, "0")].into_iter().cycle().take(8) {
        let url = format!("{}/metrics", node.admin);
        asked.spawn(async move {
            let http = reqwest::Client::new();
            for _ in 0..200 {
                let text = http.get(&url).send().await.expect("answered").text().await.expect("read");
                let line = format!("replica_failing{{database=\"global\"}} {value}");
                assert!(text.lines().any(|l| l == line), "no '{line}' in\n{text}");
            }
        });
    }
    asked.join_all().await;
    well.stop().await;
}

async fn pets(client: &Client) -> usize {
    client.get("/v1/pets").await.ok()["pets"].as_array().expect("a list").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_its_writes_at_every_node() {
    let Some(server) = Sqld::start("a_client_sees_its_writes_at_every_node").await else { return };
    let here = TestNode::start(at(&server)).await;
    let there = TestNode::start(at(&server)).await;
    let (tutor, _) = here.client().tutor_with_pet().await;
    for count in 2..30 {
        let cat = json!({
            "name": format!("Mia {count}"), "species": "cat", "weight_g": 4_000, "birth_date": "2022-01-01",
            "conditions": [], "temperament": "",
        });
        let made = tutor.post("/v1/pets", &cat).await;
        let seen = made.headers[SEEN].to_str().expect("text").to_owned();
        made.ok();
        // At once here, and at once there with what was told.
        assert_eq!(pets(&tutor).await, count);
        let listed =
            tutor.at(&there.url).raw(reqwest::Method::GET, "/v1/pets", &[(SEEN, &seen)], vec![]).await;
        assert_eq!(listed.ok()["pets"].as_array().map(Vec::len), Some(count));
    }
    // What nobody wrote holds nobody up for long.
    let listed = tutor.raw(reqwest::Method::GET, "/v1/pets", &[(SEEN, "global:999999999")], vec![]).await;
    assert_eq!(listed.ok()["pets"].as_array().map(Vec::len), Some(29));
    metric(&here, "replica_failing", "0").await;
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_away_leaves_reads_and_rides() {
    let Some(mut server) = Sqld::start("a_primary_that_is_away_leaves_reads_and_rides").await else { return };
    let node = TestNode::start(at(&server)).await;
    let (tutor, pet) = node.client().tutor_with_pet().await;
    let walker = node.client().walker_at(-23.5505, -46.6333).await;
    metric(&node, "replica_failing", "0").await;
    server.kill();

    assert_eq!(pets(&tutor).await, 1);
    // A state that cannot be had does not keep this client, nor any other, from what is here.
    let listed = tutor.raw(reqwest::Method::GET, "/v1/pets", &[(SEEN, "global:999999999")], vec![]).await;
    assert_eq!(listed.ok()["pets"].as_array().map(Vec::len), Some(1));
    assert_eq!(pets(&tutor).await, 1);
    let ride = tutor.request_ride(&pet, -23.5505, -46.6333).await;
    let id = ride["id"].as_str().expect("an id");
    walker.post(&format!("/v1/rides/{id}/accept"), &json!({})).await.ok();

    let started = Instant::now();
    let cat = json!({
        "name": "Mia", "species": "cat", "weight_g": 4_000, "birth_date": "2022-01-01",
        "conditions": [], "temperament": "",
    });
    let refused = tutor.post_with("/v1/pets", &cat, &[("idempotency-key", "mia")]).await;
    refused.refused(503, "unavailable");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(started.elapsed() < Duration::from_secs(4), "refused after {:?}", started.elapsed());
    metric(&node, "replica_failing", "1").await;
    each_tells_of_itself(&node).await;

    // A node that starts meanwhile does so with what it has.
    let node = node.restart(at(&server)).await;
    assert_eq!(pets(&tutor).await, 1);

    server.resume().await;
    metric(&node, "replica_failing", "0").await;
    tutor.post_with("/v1/pets", &cat, &[("idempotency-key", "mia")]).await.ok();
    assert_eq!(pets(&tutor).await, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_replica_is_replaced_while_the_node_runs() {
    let Some(server) = Sqld::start("a_damaged_replica_is_replaced_while_the_node_runs").await else { return };
    let node = TestNode::start(at(&server)).await;
    let (tutor, _) = node.client().tutor_with_pet().await;
    metric(&node, "replica_rebuilt", "0").await;
    let replica = node.folder.path().join("global.replica/1/replica.db");
    for file in [replica.clone(), replica.with_extension("db-wal")] {
        let length = std::fs::metadata(&file).map_or(0, |m| m.len());
        if length > 0 {
            let nonsense = vec![0xA5; usize::try_from(length).expect("small")];
            std::fs::write(&file, nonsense).expect("damaged");
        }
    }
    // What is asked for shows the damage, and is answered nevertheless.
    let started = Instant::now();
    loop {
        let listed = tutor.get("/v1/pets").await;
        assert_eq!(listed.ok()["pets"].as_array().map(Vec::len), Some(1));
        if node.metrics().await.contains("replica_rebuilt{database=\"global\"} 1") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the damage was not noticed");
        // Something to sync, so that the file is read anew.
        tutor.post("/v1/sessions", &json!({ "email": "nobody@test.example", "password": "x" })).await;
        node.client().join("walker").await;
    }
    assert!(!replica.exists() && node.folder.path().join("global.replica/2/replica.db").exists());
    assert_eq!(pets(&tutor).await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_lost_its_data_is_not_followed() {
    let Some(mut server) = Sqld::start("a_primary_that_lost_its_data_is_not_followed").await else { return };
    let node = TestNode::start(at(&server)).await;
    let (tutor, _) = node.client().tutor_with_pet().await;
    server.kill();
    server.wipe();
    server.resume().await;
    metric(&node, "replica_held", "1").await;
    assert_eq!(pets(&tutor).await, 1);
    let late = json!({
        "email": "late@test.example", "password": "correct horse", "display_name": "Late", "role": "tutor",
    });
    node.client().post("/v1/accounts", &late).await.refused(503, "unavailable");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_written_by_compare_and_swap_only() {
    let Some(server) = Sqld::start("a_lease_is_written_by_compare_and_swap_only").await else { return };
    let remote = edge_data::remote(&server.url(), "").await.expect("built");
    let connect = || remote.connect().expect("connected");
    let migrations = migrate::read_folder(&root().join("db-schema/global")).expect("read");
    migrate::run_shared(&connect(), &migrations).await.expect("migrated");
    let store = |me: &str| {
        let me = Claimant { name: me.to_owned(), topic: format!("topic-{me}") };
        LeaseStore::new(connect(), "sao-paulo-centro".to_owned(), me)
    };
    let (here, there) = (store("here"), store("there"));
    let seen = async |store: &LeaseStore| match store.ask(&Ask::Look).await.expect("asked") {
        Answer::Found(lease) => lease,
        other => panic!("{other:?}"),
    };

    assert_eq!(seen(&there).await, None);
    let first = Ask::Take { seen: None };
    assert_eq!(here.ask(&first).await.expect("asked"), Answer::Written(1));
    assert_eq!(there.ask(&first).await.expect("asked"), Answer::Refused);
    let stale = seen(&there).await;
    assert_eq!(here.ask(&Ask::Renew { epoch: 1 }).await.expect("asked"), Answer::Written(1));
    // It was renewed since it was seen.
    assert_eq!(there.ask(&Ask::Take { seen: stale }).await.expect("asked"), Answer::Refused);
    assert_eq!(there.ask(&Ask::Renew { epoch: 1 }).await.expect("asked"), Answer::Refused);
    let release = Ask::Release { epoch: 1, heir: "there".to_owned() };
    assert_eq!(here.ask(&release).await.expect("asked"), Answer::Written(1));
    let given = seen(&there).await;
    assert!(given.as_ref().is_some_and(|lease| lease.released && lease.heir == "there"), "{given:?}");
    assert_eq!(there.ask(&Ask::Take { seen: given }).await.expect("asked"), Answer::Written(2));
    for late in [Ask::Renew { epoch: 1 }, release] {
        assert_eq!(here.ask(&late).await.expect("asked"), Answer::Refused);
    }
    let lease = seen(&here).await.expect("there");
    assert_eq!((lease.holder.as_str(), lease.epoch, lease.released), ("there", 2, false));
    assert_eq!(lease.topic, "topic-there");
}
