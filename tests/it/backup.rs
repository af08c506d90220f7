//! Backups, and restoring from them: the newest, a moment, a primary, several edges.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use edge_data::{LocalDatabase, PoolOptions};
use edge_node::Config;
use edge_node::backup::{Credentials, Key, Place, Restored, Wish, make, restore};
use edge_node::config::Primary;
use petwalker_tests::{Client, Sqld, TestNode, config};
use serde_json::{Value, json};

use crate::held::holdings;
use crate::live::{Walk, points_at};
use crate::rides::{act, until};
use crate::stores::{BUCKET, KEY, SECRET, foreign_store};

/// A node whose tokens outlive its data folder.
fn node(data: &Path) -> Config {
    let mut config = config(data);
    config.variables.insert("token_seed".to_owned(), "cd".repeat(32));
    config.variables.insert("operator_code".to_owned(), "ef".repeat(32));
    config
}

fn folder_place(path: &Path) -> Place {
    Place::parse(path.to_str().expect("UTF-8"), &Credentials::default()).expect("a folder")
}

async fn back_up(config: &Config, place: &Place) -> String {
    make(config, place, None, |_, _| {}).await.expect("made").id
}

async fn bring_back(config: &Config, place: &Place, wish: &Wish) -> Result<Restored, edge_node::StartError> {
    restore(config, place, None, wish, |_| {}).await
}

/// Why a restoration was refused.
async fn refusal(config: &Config, place: &Place, wish: &Wish) -> String {
    format!("{:#}", bring_back(config, place, wish).await.expect_err("refused"))
}

fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("a time")
}

/// A moment after everything so far and before everything to come.
async fn a_moment() -> i64 {
    let moment = now_ms() + 1;
    while now_ms() <= moment {
        tokio::task::yield_now().await;
    }
    moment
}

async fn ids(tutor: &Client) -> Vec<String> {
    let rides = tutor.get("/v1/rides?limit=100").await.ok();
    let ids = rides["rides"].as_array().expect("rides").iter();
    ids.map(|ride| ride["id"].as_str().expect("an id").to_owned()).collect()
}

async fn ledger_is_right(node: &TestNode) {
    let body = json!({
        "email": "operator@test.example", "password": "correct horse", "display_name": "Operator",
        "role": "operator", "operator_code": "ef".repeat(32),
    });
    node.client().post("/v1/accounts", &body).await.ok();
    let who = json!({ "email": "operator@test.example", "password": "correct horse" });
    let tokens = node.client().post("/v1/sessions", &who).await.ok();
    let operator = node.client().with_token(tokens["access_token"].as_str().expect("a token"));
    let found = operator.get("/v1/ledger/check").await.ok();
    let sums = found["sums"].as_array().expect("sums");
    assert!(sums.iter().all(|sum| sum["minor"] == 0), "{found}");
}

/// A completed walk whose invoice was paid.
async fn paid(client: &Client, lat: f64, lon: f64) -> (Walk, Value) {
    let walk = Walk::begin_on(client, lat, lon).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let invoice =
        until(&walk.tutor, &walk.path("/invoice"), |invoice| invoice["payment"] == "captured").await;
    (walk, invoice)
}

fn key(folder: &Path, digits: &str) -> Key {
    let file = folder.join("key");
    std::fs::write(&file, digits.repeat(32)).expect("written");
    Key::read(&file).expect("a key")
}

/// The files of a backup whose names hold a word.
fn parts(place: &Path, id: &str, word: &str) -> Vec<PathBuf> {
    let files =
        std::fs::read_dir(place.join(id)).expect("the backup").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = files.filter(|file| file.to_string_lossy().contains(word)).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_work_is_backed_up_sealed_and_restored_whole() {
    let (kept, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = TestNode::start(node).await;
    let (walk, invoice) = paid(&first.client(), -23.5, -46.5).await;
    let (tutor, pet) = first.client().tutor_with_pet().await;
    // Somebody asks for rides all the while.
    let stop = Arc::new(AtomicBool::new(false));
    let (asking, stopping) = (tutor.clone(), stop.clone());
    let (count, mut counted) = tokio::sync::watch::channel(0);
    let task = tokio::spawn(async move {
        let mut done = Vec::new();
        while !stopping.load(Ordering::Acquire) {
            let ride = asking.request_ride(&pet, -23.5, -46.5).await;
            // A pet is on one ride at a time.
            act(&asking, &ride, "cancel", &json!({})).await.ok();
            done.push(ride["id"].clone());
            count.send_replace(done.len());
        }
        done
    });
    counted.wait_for(|count| *count >= 5).await.expect("asking");
    let before: Vec<String> = ids(&tutor).await;
    let place = folder_place(kept.path());
    let secret = key(elsewhere.path(), "1f");
    let made = make(&node(first.folder.path()), &place, Some(&secret), |_, _| {}).await.expect("made");
    let so_far = *counted.borrow();
    counted.wait_for(|count| *count > so_far).await.expect("nobody was kept from asking");
    stop.store(true, Ordering::Release);
    let all = task.await.expect("no panic");
    first.stop().await;

    let data = elsewhere.path().join("data");
    let config = node(&data);
    let wish = Wish::default();
    assert!(refusal(&config, &place, &wish).await.contains("is sealed: give its key"));
    let wrong = key(elsewhere.path(), "2f");
    let refused = restore(&config, &place, Some(&wrong), &wish, |_| {}).await.expect_err("refused");
    assert!(format!("{refused:#}").contains("was sealed with another key, or was changed"));
    let restored = restore(&config, &place, Some(&secret), &wish, |_| {}).await.expect("restored");
    assert_eq!(restored.backup.id, made.id);
    let again = restore(&config, &place, Some(&secret), &wish, |_| {}).await.expect_err("refused");
    assert!(format!("{again:#}").contains("is not written over"), "{again:#}");

    let second = TestNode::start(|_| config).await;
    let (tutor, walker) = (tutor.at(&second.url), walk.walker.at(&second.url));
    let there = ids(&tutor).await;
    assert!(before.iter().all(|id| there.contains(id)), "what was acknowledged before is there");
    assert!(there.iter().all(|id| all.contains(&json!(id))) && there.len() <= all.len());
    assert_eq!(walk.tutor.at(&second.url).get(&walk.path("/invoice")).await.ok(), invoice);
    ledger_is_right(&second).await;
    // It goes on.
    walker.put("/v1/walkers/me/presence", &json!({ "lat": -23.5, "lon": -46.5 })).await.ok();
    paid(&second.client(), -23.6, -46.6).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_not_whole_is_not_restored() {
    let (kept, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = TestNode::start(node).await;
    let (_, pet) = first.client().tutor_with_pet().await;
    assert!(!pet.is_empty());
    let place = folder_place(kept.path());
    let ours = node(first.folder.path());
    let old = back_up(&ours, &place).await;
    let new = back_up(&ours, &place).await;
    assert_eq!(place.backups().await.expect("listed"), [old.clone(), new.clone()]);
    first.stop().await;

    let config = node(&elsewhere.path().join("data"));
    let wish = |backup: Option<&str>| Wish { backup: backup.map(str::to_owned), ..Wish::default() };
    let part = parts(kept.path(), &new, "global").pop().expect("a part");
    let mut bytes = std::fs::read(&part).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, &bytes).expect("written");
    assert!(
        refusal(&config, &place, &wish(None)).await.contains("is damaged: its digest is not the manifest's")
    );
    std::fs::remove_file(&part).expect("removed");
    assert!(refusal(&config, &place, &wish(None)).await.contains("global.db.0000"));
    // Without its manifest it never was one.
    std::fs::remove_file(kept.path().join(&new).join("manifest.json")).expect("removed");
    assert!(refusal(&config, &place, &wish(Some(&new))).await.contains(&format!("there are: {old}")));
    let mut foreign = config.clone();
    foreign.node.region = "elsewhere".to_owned();
    assert!(refusal(&foreign, &place, &wish(None)).await.contains("the node file says 'elsewhere'"));
    let early = Wish { at_ms: Some(1), ..Wish::default() };
    assert!(refusal(&config, &place, &early).await.contains("was made before 1970-01-01"));
    let late = Wish { at_ms: Some(now_ms()), ..Wish::default() };
    assert!(refusal(&config, &place, &late).await.contains("nothing tells what happened after"));
    // Nothing of all that was left behind.
    let left: Vec<_> = std::fs::read_dir(&config.node.data).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(bring_back(&config, &place, &wish(None)).await.expect("restored").backup.id, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_restored_from_a_backup_and_the_log_after_it() {
    let (kept, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let data = elsewhere.path().join("first");
    let first = TestNode::start(|_| node(&data)).await;
    let client = first.client();
    let (before, _) = paid(&client, -23.50, -46.50).await;
    let place = folder_place(kept.path());
    let ours = node(&data);
    back_up(&ours, &place).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let other = tutor.add_pet("Mia").await;
    let between = Walk::begin_on(&client, -23.60, -46.60).await;
    let known = back_up(&ours, &place).await;
    // Those who were known when the backup was made walk, pay, and ask for more; others sign up.
    let open = tutor.request_ride(&pet, -23.70, -46.70).await;
    act(&between.walker, &between.ride, "complete", &json!({})).await.ok();
    let captured = |invoice: &Value| invoice["payment"] == "captured";
    let invoice = until(&between.tutor, &between.path("/invoice"), captured).await;
    let moment = a_moment().await;
    let region = LocalDatabase::open(&data.join("region.db"), PoolOptions::default()).await;
    let then = elsewhere.path().join("then.db");
    region.expect("opens").copy_to(&then).await.expect("copied");
    let after = tutor.request_ride(&other, -23.70, -46.70).await;
    paid(&client, -23.90, -46.90).await;
    let last = back_up(&ours, &place).await;
    first.stop().await;
    let old = keep_region(&ours.node.data, elsewhere.path());

    let wish =
        |log: Option<&Path>| Wish { at_ms: Some(moment), log: log.map(Path::to_owned), ..Wish::default() };
    for (name, log) in [("by-later-backup", None), ("by-old-file", Some(old.as_path()))] {
        let config = node(&elsewhere.path().join(name));
        let restored = bring_back(&config, &place, &wish(log)).await.expect("restored");
        assert_eq!(restored.backup.id, known, "the newest before the moment");
        let region = &restored.regions["sao-paulo-centro"];
        assert_eq!(region.epoch, Some(2));
        let source = region.log.clone().expect("a log");
        assert!(log.is_some() || source.contains(&last), "{source}");
        same_but_the_epoch(&holdings(&then).await, &holdings(&region.file).await);

        let second = TestNode::start(|_| config).await;
        let tutor = tutor.at(&second.url);
        assert_eq!(ids(&tutor).await, [open["id"].as_str().expect("an id")]);
        tutor
            .get(&format!("/v1/rides/{}", after["id"].as_str().expect("an id")))
            .await
            .refused(404, "not-found");
        // All of it, what only the tutor sees too.
        let found = tutor.get(&format!("/v1/rides/{}", open["id"].as_str().expect("an id"))).await.ok();
        assert_eq!((&found["pin"], &found["pickup"]), (&open["pin"], &open["pickup"]));
        // What the walk cost is worked out again, and comes to the same.
        let (early, later) = (before.tutor.at(&second.url), between.tutor.at(&second.url));
        early.get(&before.path("/invoice")).await.ok();
        let again = until(&later, &between.path("/invoice"), |i| i["payment"] == "captured").await;
        assert_eq!((&again["total"], &again["lines"]), (&invoice["total"], &invoice["lines"]));
        ledger_is_right(&second).await;
        paid(&second.client(), -23.80, -46.80).await;
        second.stop().await;
    }
    // Who signed up after the backup is not known any more: what they asked for is there, and holds nobody up.
    let config = node(&elsewhere.path().join("with-a-stranger"));
    let wish = Wish { at_ms: Some(now_ms()), log: Some(old), ..Wish::default() };
    bring_back(&config, &place, &Wish { backup: Some(known), ..wish }).await.expect("restored");
    let third = TestNode::start(|_| config).await;
    let there = ids(&tutor.at(&third.url)).await;
    assert_eq!(there.len(), 2);
    paid(&third.client(), -23.80, -46.80).await;
    ledger_is_right(&third).await;
    third.stop().await;
}

/// Walks under way when their node is lost, and its file is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_intact_file_gives_back_every_point_that_it_holds() {
    const POINTS: [u32; 4] = [10, 60, 300, 1_000];
    let (kept, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let data = elsewhere.path().join("first");
    // Nobody has it settle: what no chunk holds is in no event, as where a node is killed.
    let mut ours = node(&data);
    (ours.internal.settle_path, ours.internal.tick_interval_ms) = (String::new(), 0);
    let first = TestNode::start(|_| ours.clone()).await;
    let mut walks = Vec::new();
    for (index, _) in (0_u32..).zip(POINTS) {
        let place = (-23.5, -46.5 + f64::from(index));
        walks.push((Walk::begin_on(&first.client(), place.0, place.1).await, place));
    }
    let place = folder_place(kept.path());
    back_up(&ours, &place).await;
    for ((walk, at), count) in walks.iter().zip(POINTS) {
        let (mut track, _) = walk.track("petwalker.v1.msgpack").await;
        assert_eq!(track.ask(&points_at(*at, 1, 1..=count)).await["contiguous_seq"], count);
    }
    first.stop().await;
    let old = keep_region(&data, elsewhere.path());
    let held = holdings(&old).await;
    let config = node(&elsewhere.path().join("second"));
    let wish = Wish { log: Some(old.clone()), ..Wish::default() };
    bring_back(&config, &place, &wish).await.expect("restored");
    assert_eq!(holdings(&old).await, held, "the file that was kept is as it was");
    let second = TestNode::start(|_| config).await;
    for ((walk, _), count) in walks.iter().zip(POINTS) {
        let walker = walk.walker.at(&second.url);
        let mut track = walker.socket(&walk.path("/track"), "petwalker.v1.json").await.expect("opened");
        let greeting = track.next().await;
        assert_eq!(
            (&greeting["contiguous_seq"], &greeting["missing"]),
            (&json!(count), &json!([])),
            "{greeting}"
        );
        let route = walk.tutor.at(&second.url).get(&walk.path("/route")).await.ok();
        assert_eq!(route["points"], count, "{route}");
    }
    second.stop().await;
}

/// Keeps a region's file, as an operator moves it away.
fn keep_region(data: &Path, to: &Path) -> PathBuf {
    let kept = to.join("kept.db");
    std::fs::rename(data.join("region.db"), &kept).expect("moved");
    for suffix in ["-wal", "-shm"] {
        let from = data.join(format!("region.db{suffix}"));
        if from.exists() {
            std::fs::rename(from, to.join(format!("kept.db{suffix}"))).expect("moved");
        }
    }
    kept
}

/// That two files hold the same, but for the event that begins the second one's epoch.
fn same_but_the_epoch(one: &[(String, Vec<String>)], other: &[(String, Vec<String>)]) {
    assert_eq!(one.len(), other.len());
    for ((name, expected), (_, found)) in one.iter().zip(other) {
        let more = usize::from(name.contains("FROM events"));
        assert_eq!(found.len(), expected.len() + more, "{name}");
        assert_eq!(&found[..expected.len()], &expected[..], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_kept_in_an_s3_compatible_store() {
    let root = tempfile::tempdir().expect("a folder");
    let address = foreign_store(root.path()).await;
    let credentials = |secret: &str| Credentials {
        endpoint: Some(format!("http://{address}")),
        region: Some("sa-east-1".to_owned()),
        key: Some(KEY.to_owned()),
        secret: Some(secret.to_owned()),
    };
    let place = |secret: &str| {
        Place::parse(&format!("s3://{BUCKET}/nightly"), &credentials(secret)).expect("a place")
    };
    let first = TestNode::start(node).await;
    let (walk, invoice) = paid(&first.client(), -23.5, -46.5).await;
    let ours = node(first.folder.path());
    let refused = make(&ours, &place("wrong horse"), None, |_, _| {}).await.expect_err("refused");
    assert!(format!("{refused:#}").contains("answered 403"), "{refused:#}");
    let id = back_up(&ours, &place(SECRET)).await;
    assert_eq!(place(SECRET).backups().await.expect("listed"), [id]);
    first.stop().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let config = node(&elsewhere.path().join("data"));
    bring_back(&config, &place(SECRET), &Wish::default()).await.expect("restored");
    let second = TestNode::start(|_| config).await;
    assert_eq!(walk.tutor.at(&second.url).get(&walk.path("/invoice")).await.ok(), invoice);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_lost_everything_is_filled_again() {
    let Some(mut server) = Sqld::start("a_primary_that_lost_everything_is_filled_again").await else {
        return;
    };
    let at = |data: &Path, url: String| {
        let mut config = node(data);
        let primary = Primary {
            url,
            token_file: None,
            sync_interval_ms: 200,
            wait_ms: 500,
            statement_timeout_ms: 2_000,
        };
        config.databases.0.get_mut("global").expect("there").primary = Some(primary);
        config
    };
    let kept = tempfile::tempdir().expect("a folder");
    let place = folder_place(kept.path());
    let first = TestNode::start(|data| at(data, server.url())).await;
    let (walk, invoice) = paid(&first.client(), -23.5, -46.5).await;
    back_up(&at(first.folder.path(), server.url()), &place).await;
    first.stop().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let config = at(&elsewhere.path().join("data"), server.url());
    let refused = refusal(&config, &place, &Wish::default()).await;
    assert!(refused.contains("has tables") && refused.contains("is not written over"), "{refused}");
    server.kill();
    server.wipe();
    server.resume().await;
    let restored = bring_back(&config, &place, &Wish::default()).await.expect("restored");
    assert!(restored.databases["global"].contains("rows"), "{:?}", restored.databases);
    let second = TestNode::start(|_| config).await;
    assert_eq!(walk.tutor.at(&second.url).get(&walk.path("/invoice")).await.ok(), invoice);
    ledger_is_right(&second).await;
    paid(&second.client(), -23.6, -46.6).await;
    second.stop().await;
}
