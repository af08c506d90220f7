//! A node that is killed loses nothing that it acknowledged; one that is told to stop leaves quietly.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use edge_node::Node;
use petwalker_tests::{Client, Socket, TestNode, config};
use serde_json::{Value, json};

use crate::live::{Walk, points_at};

const DATA: &str = "PETWALKER_TEST_DATA";
/// Where the node's log goes, in its data folder.
const LOG: &str = "node.log";
/// Acknowledged requests after which the node is killed.
const ENOUGH: usize = 40;

/// The node that is to be killed. It ends by itself when its standard input does, so never after the test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test under it"]
async fn node_in_a_process_of_its_own() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let config = config(Path::new(&data));
    edge_node::telemetry::start_log(&config.log).expect("logs");
    let node = Node::start(&config).await.expect("starts");
    println!("\nlistening on {}", node.public_address());
    tokio::task::spawn_blocking(|| drop(std::io::stdin().read_to_end(&mut Vec::new()))).await.expect("read");
    node.stop().await;
}

fn start_process(data: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["crash::node_in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"])
        .env(DATA, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(std::fs::File::create(data.join(LOG)).expect("created")))
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let address =
        lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).expect("an address");
    // Somebody has to read the rest, or the process fails at writing it.
    std::thread::spawn(move || lines.for_each(drop));
    (child, format!("http://{address}"))
}

/// Kills the node once that much was acknowledged.
async fn kill_after(child: &mut Child, acknowledged: &AtomicUsize, enough: usize) {
    while acknowledged.load(Ordering::Acquire) < enough {
        assert!(child.try_wait().expect("asked").is_none(), "the node ended by itself");
        tokio::task::yield_now().await;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
}

/// Files that this process may have open.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).unwrap_or(usize::MAX)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_say_nothing_harm_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, url) = start_process(folder.path());
    let address = url.trim_start_matches("http://").to_owned();
    // Other tests have files open too.
    let count = 10_000.min(files_max() / 2);
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(tokio::net::TcpStream::connect(&address).await.expect("accepted"));
    }
    let client = Client::of(&url);
    client.get("/v1/hello").await.ok();
    let (tutor, pet) = client.tutor_with_pet().await;
    client.walker_at(-23.5, -46.6).await;
    let ride = tutor.request_ride(&pet, -23.5, -46.6).await;
    let path = format!("/v1/rides/{}/live", ride["id"].as_str().expect("an id"));
    let mut live = tutor.socket(&path, "petwalker.v1.json").await.expect("opened");
    assert_eq!(live.next().await["state"], "offered");
    // Who says nothing for ten seconds is sent away.
    let mut nothing = [0; 1];
    let ended = silent[count - 1].readable();
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("sent away").expect("ready");
    assert!(matches!(silent[count - 1].try_read(&mut nothing), Ok(0) | Err(_)));
    drop(child.stdin.take());
    child.wait().expect("gone");
}

/// Asks for rides, one after the other, until the node is gone. The last command has no answer.
async fn request_rides(
    tutor: Client,
    pet: String,
    acknowledged: Arc<Mutex<Vec<Value>>>,
    count: Arc<AtomicUsize>,
) -> (Client, String, Value) {
    for number in 0.. {
        let wanted =
            json!({ "pickup": { "lat": -23.55, "lon": -46.63 }, "duration_min": 30, "pet_ids": [&pet] });
        let Some(quote) = tutor.try_post("/v1/quotes", &wanted, &[]).await else {
            return (tutor, format!("none-{number}"), Value::Null);
        };
        let key = format!("{pet}-{number}");
        let body = json!({ "quote_id": quote.ok()["id"], "pet_ids": [&pet] });
        match tutor.try_post("/v1/rides", &body, &[("idempotency-key", &key)]).await {
            Some(answer) => {
                let ride = answer.ok();
                let cancel = format!("/v1/rides/{}/cancel", ride["id"].as_str().expect("an id"));
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(ride);
                count.fetch_add(1, Ordering::Release);
                // A pet is on one ride at a time.
                if tutor.try_post(&cancel, &json!({}), &[]).await.is_none() {
                    return (tutor, format!("none-{number}"), Value::Null);
                }
            }
            None => return (tutor, key, body),
        }
    }
    unreachable!("the node is killed")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, url) = start_process(folder.path());
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let mut tutors = Vec::new();
    for _ in 0..4 {
        let (tutor, pet) = Client::of(&url).tutor_with_pet().await;
        tutors.push(tokio::spawn(request_rides(tutor, pet, acknowledged.clone(), count.clone())));
    }
    kill_after(&mut child, &count, ENOUGH).await;

    let data = folder.path().to_owned();
    let node = TestNode::start(move |_| config(&data)).await;
    let mut rides = 0;
    for tutor in tutors {
        let (tutor, key, body) = tutor.await.expect("no panic");
        let tutor = tutor.at(&node.url);
        if !body.is_null() {
            // Stored or not, nobody knows: sent again, it happens once.
            let headers = [("idempotency-key", key.as_str())];
            let first = tutor.post_with("/v1/rides", &body, &headers).await.ok();
            assert_eq!(tutor.post_with("/v1/rides", &body, &headers).await.ok()["id"], first["id"]);
            rides += 1;
        }
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no panic"));
    rides += acknowledged.len();
    let operator = node.client().join_as_operator(folder.path()).await;
    for ride in &acknowledged {
        let path = format!("/v1/rides/{}", ride["id"].as_str().expect("an id"));
        assert_eq!(operator.get(&path).await.ok()["id"], ride["id"]);
    }
    let connection = libsql::Builder::new_local(folder.path().join("region.db"))
        .build()
        .await
        .expect("built")
        .connect()
        .expect("connected");
    let sql =
        "SELECT count(*), max(seq), (SELECT count(*) FROM events WHERE type = 'ride.requested') FROM events";
    let row = connection.query(sql, ()).await.expect("asked").next().await.expect("read").expect("a row");
    let (events, last, requested) =
        (row.get::<u64>(0).expect("a count"), row.get::<u64>(1).expect("a number"), row.get::<u64>(2));
    assert_eq!(events, last, "the log has a gap");
    assert_eq!(requested.expect("a count"), rides as u64, "a ride was lost, or made twice");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_leaves_quietly() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, url) = start_process(folder.path());
    Client::of(&url).get("/v1/hello").await.ok();
    drop(child.stdin.take());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("waited").expect("gone");
    assert!(status.success(), "{status}");
    let log = std::fs::read_to_string(folder.path().join(LOG)).expect("read");
    assert!(log.contains("/v1/hello") && !log.contains("ERROR"), "{log}");
}

/// What a node stores is in its events once it has stopped, and there again when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_leaves_nothing_out_of_its_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_owned();
    let node = TestNode::start(|_| config(&data)).await;
    let walk = Walk::begin_on(&node.client(), -23.5, -46.6).await;
    let (mut track, _) = walk.track("petwalker.v1.json").await;
    assert_eq!(track.ask(&points_at((-23.5, -46.6), 1, 1..=60)).await["contiguous_seq"], 60);
    node.stop().await;
    let path = data.join("region.db");
    let database =
        libsql::Builder::new_local(path).build().await.expect("built").connect().expect("connected");
    let sql = "SELECT count(*), sum(untold_since_ms IS NOT NULL), sum(told_bytes = length(tail) AND told_bytes > 0) FROM tracks";
    let row = database.query(sql, ()).await.expect("asked").next().await.expect("read").expect("a row");
    let figures: [u64; 3] = [0, 1, 2].map(|column| row.get(column).expect("a number"));
    assert_eq!(figures, [1, 0, 1], "tracks; those the events lack something of; those whose tail they hold");
    drop(database);
    let node = TestNode::start(|_| config(&data)).await;
    let walk = Walk { walker: walk.walker.at(&node.url), tutor: walk.tutor.at(&node.url), ride: walk.ride };
    let (_, greeting) = walk.track("petwalker.v1.json").await;
    assert_eq!(
        (&greeting["contiguous_seq"], &greeting["replicated_seq"]),
        (&json!(60), &json!(60)),
        "{greeting}"
    );
    node.stop().await;
}

/// Sends points over a socket, one frame after the other, until the node is gone: the highest number acknowledged.
async fn send_points(mut socket: Socket, acknowledged: Arc<AtomicUsize>) -> u64 {
    let mut last = 0;
    for frame in 0.. {
        let points: Vec<_> = (frame * 3 + 1..=frame * 3 + 3)
            .map(|seq| {
                json!({ "seq": seq, "at": 1_780_000_000_000_u64 + seq * 1_000,
                        "place": { "lat": -23.5, "lon": -46.6 }, "accuracy_m": 5.0 })
            })
            .collect();
        let message = json!({ "type": "points", "points": points });
        let Some(stored) = socket.try_ask(&message).await else { return last };
        last = stored["contiguous_seq"].as_u64().expect("a number");
        assert_eq!(last, frame * 3 + 3, "{stored}");
        // Its own disk is the only replica that a node alone has.
        assert_eq!(stored["replicated_seq"], stored["contiguous_seq"], "{stored}");
        acknowledged.fetch_add(1, Ordering::Release);
    }
    unreachable!("the node is killed")
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_were_acknowledged_survive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, url) = start_process(folder.path());
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut walks = Vec::new();
    for index in 0..6 {
        let (lat, lon) = (-23.5, -46.6 + f64::from(index) * 0.5);
        let Walk { walker, ride, .. } = Walk::begin_on(&Client::of(&url), lat, lon).await;
        let path = format!("/v1/rides/{}", ride["id"].as_str().expect("an id"));
        // Open before the first is counted: the node may be gone soon after.
        let track = format!("{path}/track");
        let mut socket = walker.socket(&track, "petwalker.v1.msgpack").await.expect("opened");
        socket.next().await;
        walks.push((walker, path, tokio::spawn(send_points(socket, acknowledged.clone()))));
    }
    kill_after(&mut child, &acknowledged, 300).await;

    let data = folder.path().to_owned();
    let node = TestNode::start(move |_| config(&data)).await;
    for (walker, path, sending) in walks {
        let last = sending.await.expect("no panic");
        let walker = walker.at(&node.url);
        let mut again = walker.socket(&format!("{path}/track"), "petwalker.v1.json").await.expect("opened");
        let greeting = again.next().await;
        // The frame in flight may have been stored; nothing of what was acknowledged may be missing.
        let stored = greeting["contiguous_seq"].as_u64().expect("a number");
        assert!(stored == last || stored == last + 3, "{last} acknowledged: {greeting}");
        assert_eq!((&greeting["last_seq"], &greeting["missing"]), (&json!(stored), &json!([])));
        let points = walker.get(&format!("{path}/route")).await.ok()["points"].as_u64().expect("a count");
        assert_eq!(points, stored);
    }
    node.stop().await;
}
