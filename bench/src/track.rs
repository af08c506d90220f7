//! `cargo load track`: points stored a second, beside a native writer and Redis.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use petwalker_kernel::{GeoPoint, Moment, SeededEntropy, UtcMillis};
use tracking::domain::TrackPoint;
use tracking::service::{Batch, ingest};

use crate::bars::Bars;
use crate::prepare::now;
use crate::redis;
use crate::server::{Server, build};
use crate::socket::{Socket, frame};
use crate::sql::Pool;
use crate::walks::{self, Walk};

/// Sockets that send at once, each for a walk of its own.
const SOCKETS: u32 = 64;
/// Frames of one socket on their way.
const WINDOW: usize = 8;
/// Points of a ride, after which its socket goes on with the next ride.
const RIDE_POINTS: u32 = 80_000;
/// The bars: points a second of the node, and of it and the native writer.
const POINTS_MIN: f64 = 100_000.0;
const NATIVE_MIN: f64 = 0.4;

/// How the points come.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    /// Points in a frame.
    points: u32,
}

const SHAPES: [Shape; 2] =
    [Shape { name: "20 points a frame", points: 20 }, Shape { name: "1 point a frame", points: 1 }];

/// What was measured.
struct Measured {
    points: f64,
    cpu: Duration,
}

/// Drives node, native writer and Redis in turn, and judges.
pub(crate) async fn run(seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let program = build(root)?;
    let folder = tempfile::tempdir()?;
    let rides = SOCKETS * 8;
    eprintln!("preparing: {rides} walks under way");
    let walks = walks::prepare(root, folder.path(), rides).await?;
    let server = Server::node(&program, root, folder.path()).await?;
    println!("{:<20}{:<10}{:>14}{:>16}", "", "", "points/s", "CPU/point");
    let mut next_ride = 0;
    for shape in SHAPES {
        let lengths = Duration::from_secs(seconds);
        let node = drive(&server, &walks.walks, &mut next_ride, shape, lengths).await?;
        let native = native(folder.path(), root, shape, lengths).await?;
        row(shape.name, "node", &node);
        row("", "native", &native);
        let ratio = node.points / native.points;
        println!("{:<20}node / native {ratio:.2}", "");
        if shape.points > 1 {
            bars.at_least("points a second", node.points, POINTS_MIN);
            bars.at_least("node / native points a second", ratio, NATIVE_MIN);
            match redis::points_a_second(lengths).await? {
                Some(redis) => {
                    row("", "redis", &Measured { points: redis.points, cpu: redis.cpu });
                    bars.at_least("node / Redis points a second", node.points / redis.points, 1.0);
                }
                None => println!("{:<20}redis     skipped: there is no redis-server", ""),
            }
        }
    }
    Ok(())
}

fn row(name: &str, who: &str, measured: &Measured) {
    println!("{name:<20}{who:<10}{:>14.0}{:>13.2} µs", measured.points, measured.cpu.as_secs_f64() * 1e6);
}

/// Sends points over all sockets for a while. Only what was acknowledged counts.
async fn drive(
    server: &Server,
    walks: &[Walk],
    next_ride: &mut usize,
    shape: Shape,
    length: Duration,
) -> anyhow::Result<Measured> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let start_ms = now().get() - 86_400_000;
    let mut senders = Vec::new();
    for _ in 0..SOCKETS {
        let walk = walks.get(*next_ride).context("all prepared walks are used")?.clone();
        *next_ride += 1;
        let socket = Socket::open(&server.url, walk.ride, "track", &walk.walker).await?;
        // Written before the clock starts: the sender shares the machine with the server.
        let frames = (0..RIDE_POINTS / shape.points)
            .take(RIDE_POINTS as usize)
            .map(|index| frame(index * shape.points + 1, shape.points, start_ms))
            .collect::<anyhow::Result<Vec<_>>>()?;
        senders.push((socket, frames));
    }
    let before = server.cpu()?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (socket, frames) in senders {
        let acknowledged = acknowledged.clone();
        tasks.spawn(send(socket, frames, begun + length, u64::from(shape.points), acknowledged));
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    let elapsed = begun.elapsed();
    let cpu = server.cpu()?.saturating_sub(before);
    let points = acknowledged.load(Ordering::Relaxed);
    ensure!(points > 0, "nothing was acknowledged");
    #[expect(clippy::cast_precision_loss, reason = "a count of points")]
    Ok(Measured {
        points: points as f64 / elapsed.as_secs_f64(),
        cpu: Duration::from_secs_f64(cpu.as_secs_f64() / points as f64),
    })
}

async fn send(
    mut socket: Socket,
    frames: Vec<tokio_tungstenite::tungstenite::Bytes>,
    until: Instant,
    points: u64,
    acknowledged: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut waiting = 0;
    let mut frames = frames.into_iter();
    loop {
        while waiting < WINDOW && Instant::now() < until {
            let Some(frame) = frames.next() else { break };
            socket.send(frame).await?;
            waiting += 1;
        }
        if waiting == 0 {
            return Ok(());
        }
        let answer = socket.next().await?;
        // The answer begins {"type": "stored"; a whole reading of it would measure the reader.
        ensure!(answer.windows(6).take(24).any(|word| word == b"stored"), "a frame was refused: {answer:?}");
        waiting -= 1;
        acknowledged.fetch_add(points, Ordering::Relaxed);
    }
}

/// The same batches in the same chunks, written by one native thread to libSQL without anything around it.
async fn native(data: &Path, root: &Path, shape: Shape, length: Duration) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir_in(data)?;
    let walks = walks::prepare(root, folder.path(), SOCKETS).await?;
    let pool = Pool::open(&folder.path().join("region.db")).await?;
    let start_ms = now().get() - 86_400_000;
    tokio::task::spawn_blocking(move || {
        let sql = pool.take()?;
        let mut entropy = SeededEntropy(17);
        let begun = Instant::now();
        let before = own_cpu()?;
        let (mut points, mut seq) = (0_u64, 1);
        while begun.elapsed() < length && seq + shape.points < RIDE_POINTS {
            let batches = walks
                .walks
                .iter()
                .map(|walk| {
                    let points = (seq..seq + shape.points)
                        .map(|seq| point(seq, start_ms))
                        .collect::<Result<_, _>>()?;
                    Ok(Batch { ride: walk.ride, points, watched: false })
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            for receipt in ingest(&sql, &mut Moment { now: now(), entropy: &mut entropy }, &batches, None)? {
                points += receipt?.fresh.len() as u64;
            }
            seq += shape.points;
        }
        let elapsed = begun.elapsed();
        let cpu = own_cpu()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a count of points")]
        Ok(Measured {
            points: points as f64 / elapsed.as_secs_f64(),
            cpu: Duration::from_secs_f64(cpu.as_secs_f64() / points as f64),
        })
    })
    .await?
}

fn point(seq: u32, start_ms: i64) -> anyhow::Result<TrackPoint> {
    let wander = f64::from(seq % 17) * 3e-6;
    let place = GeoPoint::new(-23.0 + f64::from(seq % 100_000) * 1e-5, -46.0 + wander)?;
    let at = UtcMillis::new(start_ms + i64::from(seq) * 1_000);
    Ok(TrackPoint::new(seq, at, (place.lat(), place.lon()), 5.0, Some(760.0))?)
}

/// User and system time of this process.
fn own_cpu() -> anyhow::Result<Duration> {
    crate::server::cpu_of("self")
}
