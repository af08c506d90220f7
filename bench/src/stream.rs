//! `cargo load stream`: what it costs to be acknowledged by a broker's every replica, and how fast a backlog is published.
//!
//! Needs a Fluvio cluster with two storage units, whose address is in `PETWALKER_FLUVIO`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use edge_data::{LocalDatabase, PoolOptions};
use edge_streams::{Compression, EventTable, FluvioSettings, FluvioTopic, Publish, Relay};
use petwalker_journal::{Envelope, RecordDigest, digest};
use tokio::sync::watch;

use crate::bars::Bars;
use crate::drive::drive;
use crate::prepare::prepare;
use crate::report::copy;
use crate::server::{Server, build, free_port};

/// Events in the backlog.
const BACKLOG: u64 = 200_000;
/// Bytes of facts in each: what a request of a ride has.
const FACTS: usize = 200;
const EVENTS_PER_S_MIN: f64 = 20_000.0;
/// Rides requested a second while the answers are timed.
const RATE: u32 = 100;
const P50_MAX: Duration = Duration::from_millis(10);
const P99_MAX: Duration = Duration::from_millis(50);
/// How long the broker has for the whole backlog.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures both, and judges.
pub(crate) async fn run(seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let Ok(broker) = std::env::var("PETWALKER_FLUVIO") else {
        println!("stream: skipped, since PETWALKER_FLUVIO does not say where a Fluvio cluster is");
        return Ok(());
    };
    let rate = backlog(&broker).await?;
    bars.at_least("events published a second", rate, EVENTS_PER_S_MIN);
    for (what, over, most) in acknowledgements(&broker, seconds).await? {
        println!("`stream` over `local`, {what}  {:>8.2} ms (at most {})", over * 1e3, most.as_millis());
        if over > most.as_secs_f64() {
            bars.miss(
                format_args!("stream {what}"),
                format_args!("{over:.4} s"),
                format_args!("at most {most:?}"),
            );
        }
    }
    Ok(())
}

fn unique() -> anyhow::Result<u128> {
    Ok(std::time::UNIX_EPOCH.elapsed()?.as_nanos())
}

/// Publishes a backlog; events a second.
async fn backlog(broker: &str) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let database = LocalDatabase::open(&folder.path().join("region.db"), PoolOptions::default()).await?;
    let connection = database.connect().await?;
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB NOT NULL)", ()).await?;
    let transaction = connection.transaction().await?;
    let mut previous = RecordDigest::GENESIS;
    for seq in 1..=BACKLOG {
        let envelope = Envelope {
            event_id: format!("{seq:036}"),
            event_type: "ride.requested".to_owned(),
            stream_id: format!("{seq:036}"),
            version: 1,
            region: "bench".to_owned(),
            epoch: 1,
            seq,
            previous,
            at_ms: 0,
            schema: 1,
            payload: vec![0x80; FACTS],
            command: None,
        };
        let record = envelope.encode()?;
        previous = digest(&record);
        transaction.execute("INSERT INTO events VALUES (?1, ?2)", (seq, record)).await?;
    }
    transaction.commit().await?;

    let settings = FluvioSettings {
        endpoint: broker.to_owned(),
        tls: None,
        replicas: 2,
        create: true,
        compression: Compression::Lz4,
    };
    let topic = FluvioTopic::new(settings, format!("bench-{}", unique()?));
    let own = EventTable::open(&database).await?;
    let relay = Relay::new(EventTable::open(&database).await?, Publish::new(topic, own));
    let status = relay.status();
    let (stop, stopped) = watch::channel(false);
    let begun = Instant::now();
    let running = tokio::spawn(relay.run(stopped));
    let published = tokio::time::timeout(PATIENCE, status.reached(BACKLOG)).await;
    let took = begun.elapsed();
    stop.send_replace(true);
    running.await?;
    published.with_context(|| format!("only {} of {BACKLOG} events were published", status.delivered()))?;
    #[expect(clippy::cast_precision_loss, reason = "events")]
    Ok(BACKLOG as f64 / took.as_secs_f64())
}

/// By how much an answer comes later for being acknowledged by the stream: seconds, with the bar.
async fn acknowledgements(broker: &str, seconds: u64) -> anyhow::Result<[(&'static str, f64, Duration); 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let program = build(root)?;
    eprintln!("preparing: 100,000 walkers, 60,000 quotes");
    let folder = tempfile::tempdir()?;
    let (for_local, for_stream) = (folder.path().join("local"), folder.path().join("stream"));
    std::fs::create_dir_all(&for_local)?;
    std::fs::create_dir_all(&for_stream)?;
    let prepared = Arc::new(prepare(root, &for_local).await?);
    copy(&for_local, &for_stream)?;
    let local = Server::node(&program, root, &for_local).await?;
    let settings = format!(
        "[stream]\nfluvio = \"{broker}\"\nreplicas = 2\ntopic_prefix = \"bench-{port}-\"\n[[durability.classes]]\n\
         name = \"lifecycle\"\nlevel = \"stream\"\nroutes = [\"/v1/rides/...\"]\n",
        port = free_port()?,
    );
    let stream = Server::node_with(&program, root, &for_stream, &settings).await?;
    let mut measured = Vec::new();
    for server in [&local, &stream] {
        let quotes = Arc::<AtomicUsize>::default();
        drive("ride", server, &prepared, &quotes, 2, Some(RATE)).await?;
        let seen = drive("ride", server, &prepared, &quotes, seconds, Some(RATE)).await?;
        println!(
            "ride at {RATE} a second, {:<7}{:>8} requests  p50 {:>6.2} ms  p99 {:>6.2} ms",
            if measured.is_empty() { "local" } else { "stream" },
            seen.requests,
            seen.p50.as_secs_f64() * 1e3,
            seen.p99.as_secs_f64() * 1e3
        );
        measured.push(seen);
    }
    let over = |pick: fn(&crate::drive::Measured) -> Duration| {
        pick(&measured[1]).as_secs_f64() - pick(&measured[0]).as_secs_f64()
    };
    Ok([("p50", over(|m| m.p50), P50_MAX), ("p99", over(|m| m.p99), P99_MAX)])
}
