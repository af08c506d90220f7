//! Bodies that come slowly, or do not end.

use std::time::{Duration, Instant};

use petwalker_tests::{TestNode, config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::serves_on;

fn address(node: &TestNode) -> &str {
    node.url.trim_start_matches("http://")
}

/// A connection with a request whose body has begun and does not go on.
async fn unfinished(node: &TestNode, path: &str, length: usize, sent: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address(node)).await.expect("connected");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(&vec![b'{'; sent]).await.expect("sent");
    socket
}

/// One frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header in HPACK, as a literal that is not indexed.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).expect("short"));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// One connection with `count` requests whose bodies have begun and do not go on.
async fn unfinished_streams(node: &TestNode, count: u32) -> TcpStream {
    let mut socket = TcpStream::connect(address(node)).await.expect("connected");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/sessions"),
        (":authority", "a.example"),
        ("content-type", "application/json"),
        ("content-length", "100"),
    ];
    let headers: Vec<u8> = headers.iter().flat_map(|(name, value)| literal(name, value)).collect();
    for number in 0..count {
        let stream = number * 2 + 1;
        bytes.extend(frame(1, 4, stream, &headers));
        bytes.extend(frame(0, 0, stream, b"{"));
    }
    socket.write_all(&bytes).await.expect("sent");
    socket
}

/// C3: neither 256 connections nor 256 streams of one connection with bodies that do not end hold anybody up.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_hold_nobody_up() {
    let node = TestNode::start(config).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        slow.push(unfinished(&node, "/v1/sessions", 100, 1).await);
    }
    slow.push(unfinished_streams(&node, 256).await);
    for large in ["/v1/pets", "/graphql"] {
        slow.push(unfinished(&node, large, 900_000, 10_000).await);
    }
    serves_on(&node, -23.31, -46.31).await;
    drop(slow);
    node.stop().await;
}

/// L9: who sends too slowly is told so, and the connection is closed at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_slow_or_too_late_ends_its_connection() {
    for (first_byte_ms, timeout_ms, sent, status) in [(300, 30_000, 0, "408"), (30_000, 500, 1, "504")] {
        let node = TestNode::start(|data| {
            let mut config = config(data);
            config.admission.body_first_byte_ms = first_byte_ms;
            config.limits.request_timeout_ms = timeout_ms;
            config
        })
        .await;
        let mut socket = unfinished(&node, "/v1/sessions", 100, sent).await;
        let began = Instant::now();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        ended.expect("the connection ends").expect("read");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        node.stop().await;
    }
}

/// Memory: what one address may have the node keep of unfinished bodies is bounded, and others are not concerned.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_hold_bounded_memory() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.admission.small_bodies_mib = 1;
        config.admission.large_bodies_mib = 4;
        config
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(unfinished(&node, "/v1/pets", 1 << 20, 100_000).await);
        held.push(unfinished(&node, "/v1/pets", 60_000, 40_000).await);
    }
    let mut refused = 0;
    for socket in &mut held {
        let mut status = [0; 12];
        let answered = tokio::time::timeout(Duration::from_millis(500), socket.read_exact(&mut status)).await;
        if answered.is_ok_and(|read| read.is_ok()) {
            assert_eq!(&status, b"HTTP/1.1 429");
            refused += 1;
        }
    }
    // A quarter of each budget is one large body, and six small ones; of those that come together one more may be refused.
    assert!((15 + 10..=15 + 11).contains(&refused), "{refused} were refused");
    assert_eq!(node.client().get("/v1/hello").await.status, 200);
    drop(held);
    node.stop().await;
}
