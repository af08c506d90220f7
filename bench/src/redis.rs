//! Redis as phones' points are often kept: a stream for each ride and a geo index, pipelined.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::server::{cpu_of, free_port};

/// Points in one pipeline.
const PIPELINE: u32 = 1_000;
/// Pipelines at once, so that neither side waits for the other.
const CONNECTIONS: u32 = 4;
/// Rides that the points belong to.
const RIDES: u32 = 64;

/// What was measured.
pub(crate) struct Measured {
    pub(crate) points: f64,
    pub(crate) cpu: Duration,
}

/// A server that ends with this value.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Points that a Redis of its own takes a second, with its log synced every second; none where Redis is not installed.
pub(crate) async fn points_a_second(length: Duration) -> anyhow::Result<Option<Measured>> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?.to_string();
    let child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port, "--appendonly", "yes", "--appendfsync", "everysec"])
        .args(["--save", "", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let redis = match child {
        Ok(child) => Redis(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("redis-server does not start"),
    };
    let address = format!("127.0.0.1:{port}");
    let begun = Instant::now();
    while TcpStream::connect(&address).await.is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(10), "redis-server does not answer");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = cpu_of(&redis.0.id().to_string())?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(send(address.clone(), begun + length));
    }
    let mut points = 0_u64;
    while let Some(sent) = tasks.join_next().await {
        points += sent??;
    }
    let elapsed = begun.elapsed();
    let cpu = cpu_of(&redis.0.id().to_string())?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a count of points")]
    Ok(Some(Measured {
        points: points as f64 / elapsed.as_secs_f64(),
        cpu: Duration::from_secs_f64(cpu.as_secs_f64() / points as f64),
    }))
}

/// Sends pipelines until the time is over; how many points were answered.
async fn send(address: String, until: Instant) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    // Written once: what is measured is Redis.
    let pipeline: Vec<u8> = (0..PIPELINE).flat_map(|index| commands(index % RIDES, index)).collect();
    let mut points = 0;
    while Instant::now() < until {
        writer.write_all(&pipeline).await?;
        for _ in 0..PIPELINE {
            // XADD answers with the entry's id as a bulk string, GEOADD with a number.
            bulk(&mut reader).await?;
            let number = line(&mut reader).await?;
            ensure!(number.starts_with(':'), "GEOADD answered {number}");
        }
        points += u64::from(PIPELINE);
    }
    Ok(points)
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    Ok(line)
}

async fn bulk(reader: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<()> {
    let head = line(reader).await?;
    let length: usize =
        head.strip_prefix('$').with_context(|| format!("XADD answered {head}"))?.trim().parse()?;
    let mut body = vec![0; length + 2];
    reader.read_exact(&mut body).await?;
    Ok(())
}

fn commands(ride: u32, index: u32) -> Vec<u8> {
    let (lat, lon) = (-23.0 + f64::from(index) * 1e-5, -46.0 + f64::from(index % 17) * 3e-6);
    let (lat, lon) = (format!("{lat:.6}"), format!("{lon:.6}"));
    let (ride, seq) = (format!("ride:{ride}"), index.to_string());
    let mut bytes = command(&[
        "XADD",
        &ride,
        "*",
        "seq",
        &seq,
        "at",
        "1780000000000",
        "lat",
        &lat,
        "lon",
        &lon,
        "accuracy",
        "5",
        "elevation",
        "760",
    ]);
    bytes.extend(command(&["GEOADD", "walkers", &lon, &lat, &ride]));
    bytes
}

/// A command as the protocol has it: an array of bulk strings.
fn command(words: &[&str]) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        // Writing to a String does not fail.
        let _ = write!(text, "${}\r\n{word}\r\n", word.len());
    }
    text.into_bytes()
}
