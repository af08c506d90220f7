//! `cargo load edges`: what it costs to come in at another edge, how long requests wait for a region that changes hands or has
//! lost its owner, and what a sync of a replica costs those who read it.
//!
//! The last wants a libSQL server, whose URL is in `PETWALKER_LIBSQL`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use edge_node::Config;
use edge_node::cluster::{Cluster, ClusterOptions};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::bars::Bars;

const REGION: &str = "sao-paulo-centro";
const PLACE: (f64, f64) = (-23.5431, -46.6425);
const TTL: Duration = Duration::from_secs(5);
/// Forwarded over direct, at the median.
const FORWARDING_MAX: Duration = Duration::from_millis(1);
/// The longest that a request waits while a region is handed over.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);
/// Hand-overs, and those who ask meanwhile.
const HAND_OVERS: usize = 6;
const ASKING: usize = 8;
/// Accounts of each of them, and quotes asked for under one before the next: an account gets a thousand a day.
const ACCOUNTS: usize = 4;
const QUOTES_EACH: usize = 900;
/// From the owner's end to the next write.
const FAILOVER_MAX: Duration = Duration::from_secs(7);
/// A replica's reads while it syncs, over its reads in quiet, at the 99th percentile.
const SYNCING_MAX: f64 = 2.0;
/// Writes a second while it syncs.
const WRITES_PER_S: u32 = 20;

/// Somebody who calls an edge.
#[derive(Clone)]
struct Caller {
    http: Client,
    token: String,
}

impl Caller {
    async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        key: &str,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request =
            self.http.request(method, url).bearer_auth(&self.token).header("idempotency-key", key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.unwrap_or_default()))
    }

    async fn must(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        key: &str,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method, url, body, key).await?;
        ensure!((200..300).contains(&status), "{url} answered {status}: {answer}");
        Ok(answer)
    }

    async fn join(url: &str, name: &str) -> anyhow::Result<Self> {
        let mut caller = Self { http: Client::new(), token: String::new() };
        let email = format!("{name}@load.example");
        let who = json!({
            "email": email, "password": "correct horse", "display_name": "tutor", "role": "tutor",
        });
        caller.must(Method::POST, &format!("{url}/v1/accounts"), Some(&who), "join").await?;
        let who = json!({ "email": email, "password": "correct horse" });
        let tokens = caller.must(Method::POST, &format!("{url}/v1/sessions"), Some(&who), "log-in").await?;
        caller.token = tokens["access_token"].as_str().context("no token")?.to_owned();
        Ok(caller)
    }

    async fn pet(&self, url: &str, key: &str) -> anyhow::Result<String> {
        let rex = json!({
            "name": "Rex", "species": "dog", "weight_g": 14_500, "birth_date": "2021-03-14",
            "conditions": [], "temperament": "",
        });
        let pet = self.must(Method::POST, &format!("{url}/v1/pets"), Some(&rex), key).await?;
        Ok(pet["id"].as_str().context("no id")?.to_owned())
    }
}

/// Somebody with a pet, and what a quote for it is asked with.
async fn somebody(url: &str, name: &str) -> anyhow::Result<(Caller, Value)> {
    let tutor = Caller::join(url, name).await?;
    let pet = tutor.pet(url, "pet").await?;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    Ok((tutor, wanted))
}

/// Measures all of it, and judges.
pub(crate) async fn run(seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = start(folder.path().join("edges"), None).await?;
    let owner = cluster.owner(REGION).await?.context("nobody owns the region")?;
    let urls: Vec<(String, String)> =
        cluster.edges().map(|(name, url, _)| (name.to_owned(), url.to_owned())).collect();
    let direct = urls.iter().find(|(name, _)| *name == owner).context("no owner")?.1.clone();
    let other = urls.iter().find(|(name, _)| *name != owner).context("no other")?.1.clone();
    let (tutor, wanted) = somebody(&direct, "tutor").await?;
    let mut people = Vec::new();
    for number in 0..ASKING * ACCOUNTS {
        people.push(somebody(&direct, &format!("tutor-{number}")).await?);
    }
    let quote = tutor.must(Method::POST, &format!("{direct}/v1/quotes"), Some(&wanted), "quote").await?;
    let path = format!("/v1/quotes/{}", quote["id"].as_str().context("no id")?);

    let over = forwarding(&tutor, &direct, &other, &path, seconds).await?;
    judge(bars, "forwarded over direct, p50", over, FORWARDING_MAX);
    let longest = hand_overs(&cluster, &owner, &people).await?;
    judge(bars, "longest wait at a hand-over", longest, HAND_OVER_MAX);
    let took = failover(cluster, &owner, &tutor, &other, &wanted).await?;
    judge(bars, "owner killed to next write", took, FAILOVER_MAX);

    match std::env::var("PETWALKER_LIBSQL") {
        Ok(server) => {
            let ratio = syncing(folder.path().join("replicas"), &server, seconds).await?;
            println!("replica read while it syncs, p99     {ratio:>10.2} x quiet (at most {SYNCING_MAX})");
            if ratio > SYNCING_MAX {
                bars.miss("reads while syncing", format_args!("{ratio:.2}"), SYNCING_MAX);
            }
        }
        Err(_) => println!(
            "replica read while it syncs: skipped, since PETWALKER_LIBSQL does not say where a server is"
        ),
    }
    Ok(())
}

fn judge(bars: &mut Bars, what: &str, seen: Duration, most: Duration) {
    println!("{what:<36} {:>10.2} ms (at most {})", seen.as_secs_f64() * 1e3, most.as_millis());
    if seen > most {
        bars.miss(what, format_args!("{seen:?}"), format_args!("at most {most:?}"));
    }
}

async fn start(data: std::path::PathBuf, libsql: Option<String>) -> anyhow::Result<Cluster> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?.to_owned();
    let mut config = Config::default().with_generous_limits();
    config.node.manifest = root.join("spin.toml");
    config.node.cache = Some(root.join("target/bench-cache"));
    config.variables.insert("approval".to_owned(), "unneeded".to_owned());
    let options =
        ClusterOptions { edges: 3, data, port: None, fluvio: None, replicas: 1, libsql, lease_ttl: TTL };
    tokio::task::spawn_blocking(move || Cluster::start(&options, &config)).await?
}

/// By how much an answer comes later from an edge that has to ask the owner. The two are asked in turn.
async fn forwarding(
    tutor: &Caller,
    direct: &str,
    other: &str,
    path: &str,
    seconds: u64,
) -> anyhow::Result<Duration> {
    let mut seen = [Vec::new(), Vec::new()];
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        for (times, url) in seen.iter_mut().zip([direct, other]) {
            let began = Instant::now();
            tutor.must(Method::GET, &format!("{url}{path}"), None, "read").await?;
            times.push(began.elapsed());
        }
    }
    let [direct, other] = seen.map(|times| percentile(times, 50));
    println!(
        "read at the owner {:.2} ms, at another edge {:.2} ms, p50",
        direct.as_secs_f64() * 1e3,
        other.as_secs_f64() * 1e3
    );
    Ok(other.saturating_sub(direct))
}

/// Hands the region over and back while quotes are asked for at every edge; the longest that anybody waited. Nobody may be
/// refused.
async fn hand_overs(cluster: &Cluster, owner: &str, people: &[(Caller, Value)]) -> anyhow::Result<Duration> {
    let edges: Vec<(String, String, String)> = cluster
        .edges()
        .map(|(name, url, admin)| (name.to_owned(), url.to_owned(), admin.to_owned()))
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = tokio::task::JoinSet::new();
    for person in 0..ASKING {
        let accounts = people[person * ACCOUNTS..(person + 1) * ACCOUNTS].to_vec();
        let stop = stop.clone();
        let url = format!("{}/v1/quotes", edges[person % edges.len()].1);
        asking.spawn(async move {
            let (mut longest, mut number) = (Duration::ZERO, 0_u32);
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let began = Instant::now();
                let (tutor, wanted) = &accounts[number as usize / QUOTES_EACH % ACCOUNTS];
                tutor.must(Method::POST, &url, Some(wanted), &format!("h-{person}-{number}")).await?;
                longest = longest.max(began.elapsed());
            }
            anyhow::Ok((longest, number))
        });
    }
    let (heir, ..) = edges.iter().find(|(name, ..)| name != owner).context("no other")?;
    let mut turns = [owner, heir].into_iter().cycle();
    let mut from = turns.next().context("an owner")?;
    for to in turns.take(HAND_OVERS) {
        // Once somebody owns it for a while.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (.., admin) = edges.iter().find(|(name, ..)| name == from).context("no owner")?;
        let url = format!("{admin}/regions/{REGION}/hand-over?to={to}");
        let answer = Client::new().post(url).bearer_auth(cluster.admin_token()).send().await?;
        ensure!(answer.status().is_success(), "not handed over: {}", answer.text().await?);
        while cluster.owner(REGION).await?.as_deref() != Some(to) {
            tokio::task::yield_now().await;
        }
        from = to;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut longest, mut answered) = (Duration::ZERO, 0);
    while let Some(asked) = asking.join_next().await {
        let (waited, count) = asked??;
        longest = longest.max(waited);
        answered += count;
    }
    println!("{HAND_OVERS} hand-overs, {answered} quotes given meanwhile, none refused");
    Ok(longest)
}

/// Kills the owner while quotes are asked for; how long until one is given again.
async fn failover(
    mut cluster: Cluster,
    owner: &str,
    tutor: &Caller,
    other: &str,
    wanted: &Value,
) -> anyhow::Result<Duration> {
    let url = format!("{other}/v1/quotes");
    for number in 0..50 {
        tutor.must(Method::POST, &url, Some(wanted), &format!("before-{number}")).await?;
    }
    let killed = Instant::now();
    cluster.kill(owner);
    let mut refused = 0;
    loop {
        // The same command, until it is done.
        if let Ok((201, _)) = tutor.call(Method::POST, &url, Some(wanted), "after").await {
            break;
        }
        refused += 1;
        ensure!(killed.elapsed() < Duration::from_secs(60), "nobody took the region over");
    }
    let took = killed.elapsed();
    println!("{refused} answers that it cannot be done just now, meanwhile");
    tokio::task::spawn_blocking(move || cluster.stop()).await?;
    Ok(took)
}

/// Reads of a replica in quiet and while another edge writes: the ratio of their 99th percentiles.
async fn syncing(data: std::path::PathBuf, server: &str, seconds: u64) -> anyhow::Result<f64> {
    let cluster = start(data, Some(server.to_owned())).await?;
    let mut urls = cluster.edges().map(|(_, url, _)| url.to_owned());
    let (reader, writer) = (urls.next().context("no edge")?, urls.next().context("no other")?);
    drop(urls);
    let tutor = Caller::join(&writer, "writer").await?;
    tutor.pet(&writer, "first").await?;
    let read = async |seconds| {
        let mut times = Vec::new();
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            let began = Instant::now();
            tutor.call(Method::GET, &format!("{reader}/v1/me"), None, "read").await?;
            times.push(began.elapsed());
        }
        anyhow::Ok(percentile(times, 99))
    };
    read(1).await?;
    let quiet = read(seconds).await?;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing = tokio::spawn({
        let (stop, written, tutor) = (stop.clone(), written.clone(), tutor.clone());
        async move {
            let mut pace = tokio::time::interval(Duration::from_secs(1) / WRITES_PER_S);
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                let key = format!("w-{}", written.fetch_add(1, Ordering::Relaxed));
                tutor.pet(&writer, &key).await?;
            }
            anyhow::Ok(())
        }
    });
    let busy = read(seconds).await?;
    stop.store(true, Ordering::Relaxed);
    writing.await??;
    println!(
        "p99 of a read {:.2} ms in quiet, {:.2} ms with {} writes",
        quiet.as_secs_f64() * 1e3,
        busy.as_secs_f64() * 1e3,
        written.load(Ordering::Relaxed)
    );
    tokio::task::spawn_blocking(move || cluster.stop()).await?;
    Ok(busy.as_secs_f64() / quiet.as_secs_f64())
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort();
    let index = times.len() * percent / 100;
    times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
