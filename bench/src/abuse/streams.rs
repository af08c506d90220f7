//! Thousands of event streams open at once: what each costs, and how soon all of them are told of news.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::bars::Bars;
use crate::prepare::now;
use crate::server::Server;
use crate::socket::{Socket, frame};
use crate::walks::{self, Walk};

/// Streams open at once.
const STREAMS: usize = 5_000;
/// Those that are open before memory is measured.
const WARM: usize = 500;
/// Walks that they watch, each with a tutor and an address of its own: no limit of one of them is met.
const WALKS: u32 = 250;
/// Resident memory of each, KiB.
const KIB_MAX: f64 = 20.0;
/// From a point's acknowledgement to the last stream that tells of it.
const NEWS_MAX: Duration = Duration::from_secs(1);
/// How long a stream has for what it is to tell.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the streams, has a point sent on each walk, and judges.
pub(super) async fn run(program: &Path, root: &Path, seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let walks = walks::prepare(root, folder.path(), WALKS).await?.walks;
    let server = Server::guarded(program, root, folder.path()).await?;
    // What the first streams set up once (instances, caches of the databases) is not the others'.
    let mut streams = Vec::with_capacity(STREAMS);
    open_until(&mut streams, &server, &walks, WARM).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let before = server.memory()?;
    open_until(&mut streams, &server, &walks, STREAMS).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    #[expect(clippy::cast_precision_loss, reason = "kibibytes")]
    let kib = server.memory()?.saturating_sub(before) as f64 / 1024.0 / (STREAMS - WARM) as f64;
    bars.at_most("memory of an open event stream", kib, KIB_MAX, "KiB");

    let mut told = JoinSet::new();
    for mut stream in streams {
        told.spawn(async move {
            read_until(&mut stream, b"\"seq\":1").await?;
            anyhow::Ok((Instant::now(), stream))
        });
    }
    let mut sockets = Vec::new();
    for (number, walk) in walks.iter().enumerate() {
        let from = address(number);
        sockets.push(Socket::open_from(from, &server.url, walk.ride, "track", &walk.walker).await?);
    }
    let begun = Instant::now();
    for socket in &mut sockets {
        socket.send(frame(1, 1, now().get())?).await?;
    }
    let mut last = begun;
    while let Some(stream) = told.join_next().await {
        last = last.max(stream??.0);
    }
    let took = last.duration_since(begun);
    bars.at_most("news told to all of them", took.as_secs_f64(), NEWS_MAX.as_secs_f64(), "s");
    Ok(())
}

/// Opens streams, one after the other, until there are so many.
async fn open_until(
    streams: &mut Vec<TcpStream>,
    server: &Server,
    walks: &[Walk],
    count: usize,
) -> anyhow::Result<()> {
    for index in streams.len()..count {
        let number = index % walks.len();
        streams.push(open(server, &walks[number], address(number)).await?);
    }
    Ok(())
}

/// An address of loopback for each walk's watchers.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, u8::try_from(number % 250 + 1).unwrap_or(1))
}

/// Opens a stream and reads its first message.
async fn open(server: &Server, walk: &Walk, from: Ipv4Addr) -> anyhow::Result<TcpStream> {
    let address: SocketAddr = server.url.trim_start_matches("http://").parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut stream = socket.connect(address).await?;
    let request = format!(
        "GET /v1/rides/{}/live HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\nauthorization: Bearer {}\r\n\r\n",
        walk.ride, walk.tutor
    );
    stream.write_all(request.as_bytes()).await?;
    read_until(&mut stream, b"event: live").await?;
    Ok(stream)
}

/// Reads until `word` was told.
async fn read_until(stream: &mut TcpStream, word: &[u8]) -> anyhow::Result<()> {
    let mut told = Vec::new();
    let reading = async {
        loop {
            let read = stream.read_buf(&mut told).await?;
            ensure!(read > 0, "a stream ended: {}", String::from_utf8_lossy(&told));
            if told.windows(word.len()).any(|part| part == word) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.context("a stream told nothing in time")?
}
