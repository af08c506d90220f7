//! `cargo load live`: from a walker's phone to the tutor's map, and what an idle watcher costs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bars::{Bars, NOISE};
use crate::prepare::now;
use crate::server::{Server, build};
use crate::socket::{Socket, frame};
use crate::walks::{self, Walk};

/// Walks at once, each with a phone that sends a point a second and a tutor who watches.
const WALKS: u32 = 1_000;
/// Watchers to whom nothing happens.
const IDLE: usize = 10_000;
/// What a noisy machine explains.
const P50_MAX: Duration = Duration::from_millis(15);
const P99_MAX: Duration = Duration::from_millis(60);
const IDLE_KIB_MAX: f64 = 25.0;

/// Measures both, and judges.
pub(crate) async fn run(seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let program = build(root)?;
    let folder = tempfile::tempdir()?;
    eprintln!("preparing: {WALKS} walks under way");
    let walks = walks::prepare(root, folder.path(), WALKS).await?;
    // The first start compiles, which takes memory that has nothing to do with watchers.
    drop(Server::node(&program, root, folder.path()).await?);
    let server = Server::node(&program, root, folder.path()).await?;
    // First of all, before freed memory could be taken for none used.
    let kib = idle(&server, &walks.walks).await?;
    println!(
        "resident memory of each of {IDLE} idle watchers\n       {kib:>8.1} KiB (at most {IDLE_KIB_MAX})"
    );
    if kib > IDLE_KIB_MAX / NOISE {
        bars.miss("idle watcher", format_args!("{kib:.1} KiB"), format_args!("at most {IDLE_KIB_MAX} KiB"));
    }
    let mut latencies = watch(&server, &walks.walks, seconds.max(5)).await?;
    latencies.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = ((latencies.len() - 1) as f64 * share) as usize;
        latencies[index]
    };
    println!(
        "point sent to point on the tutor's socket, {WALKS} walks at one point/s, {} points",
        latencies.len()
    );
    for (what, seen, most) in [("p50", at(0.5), P50_MAX), ("p99", at(0.99), P99_MAX)] {
        println!("  {what}  {:>8.2} ms (at most {})", seen.as_secs_f64() * 1e3, most.as_millis());
        if seen.as_secs_f64() > most.as_secs_f64() / NOISE {
            bars.miss(
                format_args!("live {what}"),
                format_args!("{seen:?}"),
                format_args!("at most {most:?}"),
            );
        }
    }
    Ok(())
}

/// Every walk sends a point a second; how long each took to its watcher.
async fn watch(server: &Server, walks: &[Walk], seconds: u64) -> anyhow::Result<Vec<Duration>> {
    let clock = Instant::now();
    let start_ms = now().get() - 3_600_000;
    let mut open = Vec::new();
    for walk in walks {
        let track = Socket::open(&server.url, walk.ride, "track", &walk.walker).await?;
        let live = Socket::open(&server.url, walk.ride, "live", &walk.tutor).await?;
        open.push((track, live));
    }
    let mut tasks = tokio::task::JoinSet::new();
    let begin = tokio::time::Instant::now() + Duration::from_millis(500);
    for (index, (mut track, mut live)) in open.into_iter().enumerate() {
        // When the point that is on its way was sent, in nanoseconds of the clock.
        let sent = Arc::new(AtomicU64::new(0));
        let sending = sent.clone();
        // Phones do not send in step.
        let offset = Duration::from_micros(index as u64 * 1_000_000 / u64::from(WALKS));
        tasks.spawn(async move {
            let mut second = tokio::time::interval_at(begin + offset, Duration::from_secs(1));
            for seq in 1..=u32::try_from(seconds)? {
                let frame = frame(seq, 1, start_ms)?;
                second.tick().await;
                sending.store(u64::try_from(clock.elapsed().as_nanos())?, Ordering::Release);
                track.send(frame).await?;
                track.next().await?;
            }
            Ok::<_, anyhow::Error>(Vec::new())
        });
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for _ in 0..seconds {
                live.next().await?;
                let arrived = u64::try_from(clock.elapsed().as_nanos())?;
                latencies.push(Duration::from_nanos(arrived.saturating_sub(sent.load(Ordering::Acquire))));
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        latencies.extend(outcome??);
    }
    ensure!(latencies.len() == walks.len() * usize::try_from(seconds)?, "points did not arrive");
    Ok(latencies)
}

/// Memory of each of many watchers to whom nothing happens, KiB.
async fn idle(server: &Server, walks: &[Walk]) -> anyhow::Result<f64> {
    // What the first socket sets up is not the watchers'.
    let mut open = vec![Socket::open(&server.url, walks[0].ride, "live", &walks[0].tutor).await?];
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = server.memory()?;
    for index in 0..IDLE {
        let walk = &walks[index % walks.len()];
        open.push(Socket::open(&server.url, walk.ride, "live", &walk.tutor).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = server.memory()?;
    ensure!(
        after > before,
        "resident memory fell from {before} to {after} bytes: it says nothing of the watchers"
    );
    #[expect(clippy::cast_precision_loss, reason = "bytes")]
    Ok((after - before) as f64 / 1_024.0 / IDLE as f64)
}
