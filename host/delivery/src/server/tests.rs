//! Connections of all kinds against a listener with a service of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use edge_runtime::{Body, full_body};
use futures::stream::{self, StreamExt as _};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ConnectionLimits, HEADERS_MAX, Listener, ListenerStatus};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);
/// Bytes of the large answer, which no buffer holds.
const LARGE_BYTES: usize = 16 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// A listener that serves.
struct Server {
    address: SocketAddr,
    status: Arc<ListenerStatus>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: ConnectionLimits) -> Self {
        let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None).await.expect("bound");
        let listener = listener.with_limits(limits);
        let (address, status) = (listener.address(), listener.status());
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(listener.serve(answer, stopped, SHORT));
        Self { address, status, stop, serving }
    }

    /// A connection from `127.0.<net>.<host>`.
    async fn connect(&self, net: u8, host: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Little room, so that what is not read soon stands in the server.
        socket.set_recv_buffer_size(16 << 10).expect("set");
        socket.bind(SocketAddr::from(([127, 0, net, host], 0))).expect("bound");
        socket.connect(self.address).await.expect("connected")
    }

    /// Waits until so many connections are open.
    async fn open(&self, count: usize) {
        let started = Instant::now();
        while self.status.open() != count {
            assert!(started.elapsed() < PATIENCE, "{} are open, not {count}", self.status.open());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.serving.await.expect("no panic");
    }
}

async fn answer(request: Request<Incoming>, _: SocketAddr) -> Response<Body> {
    let chunk = Bytes::from(vec![b'x'; CHUNK_BYTES]);
    let frames = stream::repeat(chunk).map(|chunk| Ok(Frame::data(chunk)));
    match request.uri().path() {
        "/large" => Response::new(StreamBody::new(frames.take(LARGE_BYTES / CHUNK_BYTES)).boxed_unsync()),
        "/events" => {
            let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"first\n")))]);
            Response::new(StreamBody::new(first.chain(stream::pending())).boxed_unsync())
        }
        _ => Response::new(full_body("small")),
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
}

/// Reads until a text has come.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(wanted) {
            assert_ne!(stream.read_buf(&mut read).await.expect("read"), 0, "it ended");
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("in time");
    String::from_utf8_lossy(&read).into_owned()
}

/// Whether a connection ends without having said anything.
async fn is_refused(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("in time");
    matches!(read, Ok(0) | Err(_))
}

fn limits(connections_max: usize, per_address_max: usize) -> ConnectionLimits {
    ConnectionLimits {
        connections_max,
        per_address_max,
        exempt: Vec::new(),
        idle_timeout: LONG,
        write_timeout: LONG,
    }
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let exempt = vec!["127.0.3.0/24".parse().expect("a range")];
    let server = Server::start(ConnectionLimits { exempt, ..limits(100, 3) }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect(1, 1).await;
        ask(&mut stream, "/small").await;
        read_until(&mut stream, "small").await;
        held.push(stream);
    }
    assert!(is_refused(&mut server.connect(1, 1).await).await);
    for (net, host) in [(1, 2), (2, 1)] {
        let mut other = server.connect(net, host).await;
        ask(&mut other, "/small").await;
        read_until(&mut other, "small").await;
        held.push(other);
    }
    // A proxy stands for many.
    for _ in 0..10 {
        let mut proxied = server.connect(3, 1).await;
        ask(&mut proxied, "/small").await;
        read_until(&mut proxied, "small").await;
        held.push(proxied);
    }
    drop(held.remove(0));
    server.open(14).await;
    let mut again = server.connect(1, 1).await;
    ask(&mut again, "/small").await;
    read_until(&mut again, "small").await;
    drop((held, again));
    server.end().await;
}

#[tokio::test]
async fn a_full_listener_refuses_and_says_so() {
    let server = Server::start(limits(3, 100)).await;
    server.status.probe(PATIENCE).await.expect("it accepts");
    server.open(0).await;
    let mut held = Vec::new();
    for host in 1..=3 {
        held.push(server.connect(1, host).await);
    }
    server.open(3).await;
    assert!(is_refused(&mut server.connect(1, 9).await).await);
    let why = server.status.probe(PATIENCE).await.expect_err("it is full");
    assert!(why.contains("all 3 connections"), "{why}");
    drop(held);
    server.open(0).await;
    server.status.probe(PATIENCE).await.expect("there is room again");
    let (status, address) = (server.status.clone(), server.address);
    server.end().await;
    let why = status.probe(SHORT).await.expect_err("nobody listens any more");
    assert!(why.contains("cannot be reached"), "{address}: {why}");
}

#[tokio::test]
async fn idle_http2_connections_are_closed_whatever_pings_they_send() {
    let server = Server::start(ConnectionLimits { idle_timeout: SHORT, ..limits(10, 10) }).await;
    let mut stream = server.connect(1, 1).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("settings");
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let started = Instant::now();
    let mut buffer = [0; 1024];
    loop {
        assert!(started.elapsed() < PATIENCE, "pings keep it open");
        tokio::select! {
            read = stream.read(&mut buffer) => if matches!(read, Ok(0) | Err(_)) { break },
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                if stream.write_all(&ping).await.is_err() {
                    break;
                }
            }
        }
    }
    assert!(started.elapsed() >= SHORT, "it has its time");
    server.open(0).await;
    server.end().await;
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_is_not_idle() {
    let quick = ConnectionLimits { idle_timeout: SHORT, write_timeout: SHORT, ..limits(10, 10) };
    let server = Server::start(quick).await;
    let mut stream = server.connect(1, 1).await;
    ask(&mut stream, "/events").await;
    read_until(&mut stream, "first").await;
    // Nothing more comes, which is as it should be.
    let more = tokio::time::timeout(SHORT * 5, stream.read(&mut [0; 16])).await;
    assert!(more.is_err(), "{more:?}");
    drop(stream);
    server.open(0).await;
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_closes_its_connection() {
    let server = Server::start(ConnectionLimits { write_timeout: SHORT, ..limits(10, 10) }).await;
    let mut unread = server.connect(1, 1).await;
    ask(&mut unread, "/large").await;
    server.open(1).await;
    server.open(0).await;
    drop(unread);
    server.end().await;
}

/// Windows that stay closed keep bytes from the connection, so that it writes nothing and never waits.
#[tokio::test]
async fn an_answer_that_is_not_read_closes_its_http2_connection() {
    let server = Server::start(ConnectionLimits { write_timeout: SHORT, ..limits(10, 10) }).await;
    let stream = server.connect(1, 1).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let running = tokio::spawn(connection);
    let request = Request::get("http://a/large").body(Empty::<Bytes>::new()).expect("a request");
    let unread = sender.send_request(request).await.expect("an answer begins");
    server.open(0).await;
    drop((unread, sender));
    running.abort();
    server.end().await;
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_its_answer() {
    let quick = ConnectionLimits { idle_timeout: SHORT, write_timeout: SHORT * 3, ..limits(10, 10) };
    let server = Server::start(quick).await;
    let mut stream = server.connect(1, 1).await;
    ask(&mut stream, "/large").await;
    let (started, mut read, mut buffer) = (Instant::now(), 0, vec![0; 1 << 20]);
    while read < LARGE_BYTES {
        // Slower than both time limits for the whole of it, and never silent.
        if started.elapsed() < SHORT * 9 {
            tokio::time::sleep(SHORT / 20).await;
        }
        let some = stream.read(&mut buffer).await.expect("it goes on");
        assert_ne!(some, 0, "it ended after {read} bytes");
        read += some;
    }
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn headers_beyond_the_limits_are_refused() {
    let server = Server::start(limits(100, 100)).await;
    let many = (0..HEADERS_MAX + 1).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let long = format!("x-long: {}\r\n", "x".repeat(40 << 10));
    for headers in [many, long] {
        let mut stream = server.connect(1, 1).await;
        let request = format!("GET /small HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        // The answer may come before everything was sent.
        let sent = stream.write_all(request.as_bytes()).await;
        let mut told = Vec::new();
        let read = stream.read_to_end(&mut told).await;
        let told = String::from_utf8_lossy(&told);
        assert!(told.starts_with("HTTP/1.1 431 ") || sent.is_err() || read.is_err(), "{told}");
    }
    server.open(0).await;
    let mut stream = server.connect(1, 1).await;
    ask(&mut stream, "/small").await;
    read_until(&mut stream, "small").await;
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn a_stop_ends_connections_at_rest() {
    let server = Server::start(limits(10, 10)).await;
    let mut stream = server.connect(1, 1).await;
    ask(&mut stream, "/small").await;
    read_until(&mut stream, "small").await;
    let started = Instant::now();
    server.end().await;
    assert!(started.elapsed() < SHORT, "it waited for a connection without a request");
    assert!(is_refused(&mut stream).await);
}

/// Set in the process that has few descriptors.
const FEW: &str = "EDGE_TEST_FEW_DESCRIPTORS";

#[test]
fn a_listener_without_descriptors_waits_and_goes_on() {
    let program = std::env::current_exe().expect("this program");
    let inner = "server::tests::runs_out_of_descriptors";
    let mut shell = std::process::Command::new("sh");
    let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\" --ignored --nocapture";
    let done = shell.args(["-c", script]).arg(program).arg(inner).env(FEW, "1").output().expect("sh");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

/// Processor time of this process, whose `/proc/self/stat` is open already.
fn processor_time(stat: &std::fs::File) -> Duration {
    let mut text = [0; 1024];
    let length = std::os::unix::fs::FileExt::read_at(stat, &mut text, 0).expect("read");
    let stat = std::str::from_utf8(&text[..length]).expect("text");
    // Fields 14 and 15 of proc(5), in hundredths of a second, counted from behind the name in brackets.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

#[tokio::test]
#[ignore = "run by the test above in a process of its own"]
async fn runs_out_of_descriptors() {
    assert!(std::env::var_os(FEW).is_some(), "it would take this process's own");
    let server = Server::start(limits(1_000, 1_000)).await;
    let stat = std::fs::File::open("/proc/self/stat").expect("opened");
    let mut held = Vec::new();
    // Both ends are this process's: the clients take what there is.
    while let Ok(socket) = TcpSocket::new_v4() {
        match socket.connect(server.address).await {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    assert!(held.len() > 20, "only {}", held.len());
    let (started, before) = (Instant::now(), processor_time(&stat));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = processor_time(&stat) - before;
    assert!(used < started.elapsed() / 4, "{used:?} of the processor while nothing could be accepted");
    drop(held);
    let mut stream = server.connect(1, 1).await;
    ask(&mut stream, "/small").await;
    read_until(&mut stream, "small").await;
    drop(stream);
    server.end().await;
}
