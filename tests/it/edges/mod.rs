//! Several edges, one service: regions that survive their edge, and requests that find their region.

/// Requests under way while something happens, some before it and some after: what was done.
macro_rules! meanwhile {
    ($tutor:expr, $pet:expr, $what:expr) => {{
        let asking = $crate::edges::Asking::start($tutor.clone(), $pet.clone());
        asking.more(5).await;
        let out = $what.await;
        asking.more(5).await;
        (asking.stop().await, out)
    }};
}

mod brokers;
mod faults;
mod forgotten;
mod machines;
mod partitions;
mod restored;
mod topics;
mod tracks;
mod waits;
mod ways;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edge_node::{Config, Node};
use petwalker_tests::edges::{Edges, NODE_FILE, Plan};
use petwalker_tests::{Answer, Client, Sqld};
use serde_json::{Value, json};

use crate::held::holdings;

/// Praça da República, in the region that the tests look at.
const PLACE: (f64, f64) = (-23.5431, -46.6425);
const REGION: &str = "sao-paulo-centro";
const TTL: Duration = Duration::from_secs(4);
/// How long a command is repeated.
const PATIENCE: Duration = Duration::from_secs(150);
/// From one ride of a tutor to the next, at least: so a tutor comes to the day's quota of quotes in no test, however fast
/// the machine is.
const PACE: Duration = Duration::from_millis(50);

/// An edge for the tests. It ends by itself when its standard input does, so never after the test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests under it"]
async fn edge_in_a_process_of_its_own() {
    let Some(file) = std::env::var_os(NODE_FILE) else { return };
    let config = Config::load(file.as_ref()).expect("a node file");
    edge_node::telemetry::start_log(&config.log).expect("logs");
    let node = Node::start(&config).await.expect("starts");
    println!("\nlistening on {}", node.public_address());
    tokio::task::spawn_blocking(|| drop(std::io::stdin().read_to_end(&mut Vec::new()))).await.expect("read");
    node.stop().await;
}

/// One after the other: each test has four processes that must get to run before their leases end.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Three edges and the server of their global database; none where this machine has no such server, which is said.
async fn three(test: &str) -> Option<(Edges, Sqld, tokio::sync::MutexGuard<'static, ()>)> {
    let turn = TURN.lock().await;
    let server = Sqld::start(test).await?;
    let edges = Edges::start(&plan(&server), |_| {}).await;
    Some((edges, server, turn))
}

/// Three edges of that server.
fn plan(server: &Sqld) -> Plan {
    Plan {
        count: 3,
        libsql: server.url(),
        ttl: TTL,
        program: "edges::edge_in_a_process_of_its_own".to_owned(),
        cables: false,
        clocks_off_s: Vec::new(),
        fluvio: None,
    }
}

/// What became of a command.
struct Done {
    /// The ride.
    id: String,
    /// How long the client waited for the ride, or its quote, repeats included.
    waited: Duration,
    /// How often either was refused or broke off before.
    repeats: u32,
}

/// Somebody who asks for rides one after the other, each as one command that is repeated until it is answered.
struct Asking {
    stop: Arc<AtomicBool>,
    done: tokio::sync::watch::Receiver<usize>,
    task: tokio::task::JoinHandle<Vec<Done>>,
}

impl Asking {
    fn start(tutor: Client, pet: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (count, done) = tokio::sync::watch::channel(0);
        let task = tokio::spawn(ask_for_rides(tutor, pet, stop.clone(), count));
        Self { stop, done, task }
    }

    /// Waits until so many more were answered.
    async fn more(&self, count: usize) {
        let mut done = self.done.clone();
        let wanted = *done.borrow() + count;
        let waited = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done >= wanted)).await;
        waited.expect("rides are answered").expect("somebody asks");
    }

    /// Stops asking; what was done.
    async fn stop(self) -> Vec<Done> {
        self.stop.store(true, Ordering::Release);
        self.task.await.expect("no panic")
    }
}

async fn ask_for_rides(
    tutor: Client,
    pet: String,
    stop: Arc<AtomicBool>,
    count: tokio::sync::watch::Sender<usize>,
) -> Vec<Done> {
    let mut done = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::Acquire) {
        pace.tick().await;
        let number = done.len();
        let wanted = json!({
            "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [&pet],
        });
        let (quote, for_quote, before) = insist(&tutor, "/v1/quotes", &wanted, &format!("q-{number}")).await;
        let body = json!({ "quote_id": quote.ok()["id"], "pet_ids": [&pet] });
        let (ride, waited, repeats) = insist(&tutor, "/v1/rides", &body, &format!("r-{number}")).await;
        let id = ride.ok()["id"].as_str().expect("an id").to_owned();
        // A pet is on one ride at a time.
        let cancel = format!("/v1/rides/{id}/cancel");
        insist(&tutor, &cancel, &json!({}), &format!("c-{number}")).await.0.ok();
        done.push(Done { id, waited: for_quote.max(waited), repeats: before + repeats });
        count.send_replace(done.len());
    }
    done
}

/// Sends a command until it is answered for good; the answer, how long that took, and how often it was repeated.
pub(crate) async fn insist(client: &Client, path: &str, body: &Value, key: &str) -> (Answer, Duration, u32) {
    let started = Instant::now();
    let mut repeats = 0;
    loop {
        let said = match client.try_post(path, body, &[("idempotency-key", key)]).await {
            Some(answer) if answer.status == 503 => answer.text,
            Some(answer) => return (answer, started.elapsed(), repeats),
            None => "the connection broke off".to_owned(),
        };
        repeats += 1;
        assert!(
            started.elapsed() < PATIENCE,
            "{path} was never answered; the last of {repeats} times: {said}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// That every ride that was acknowledged is there, once, and nothing else.
async fn all_there(tutor: &Client, done: &[Done]) {
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/rides?limit=100{cursor}");
        let page = tutor.raw(reqwest::Method::GET, &path, &[("petwalker-region", REGION)], Vec::new()).await;
        let page = page.ok();
        let rides = page["rides"].as_array().expect("rides");
        listed.extend(rides.iter().map(|ride| ride["id"].as_str().expect("an id").to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    listed.sort();
    let mut expected: Vec<String> = done.iter().map(|done| done.id.clone()).collect();
    expected.sort();
    let distinct = expected.len();
    expected.dedup();
    assert_eq!(expected.len(), distinct, "two commands were answered with one ride");
    assert_eq!(listed, expected, "acknowledged and kept are not the same");
}

/// That all edges that run hold the same.
async fn same_everywhere(edges: &Edges) {
    edges.converged(REGION).await;
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let found = edges.verify(owner, REGION).await;
    let others = found["others"].as_array().expect("the others").clone();
    let same = |other: &Value| other["seq"] == found["holds"]["seq"] && other["differs"] == json!([]);
    assert!(others.len() == 2 && others.iter().all(same), "{found}");
    let mut first = None;
    for index in 0..edges.all.len() {
        if edges.status(index).await.is_some() {
            let held = holdings(&edges.file(index, REGION)).await;
            let first = first.get_or_insert_with(|| held.clone());
            for (one, other) in first.iter().zip(&held) {
                assert_eq!(one, other, "{} differs at {}", one.0, edges.all[index].name);
            }
        }
    }
}

/// An edge that runs and is not that one.
fn another(edges: &Edges, than: usize) -> usize {
    (0..edges.all.len()).find(|index| *index != than).expect("another")
}
