//! A socket of a phone or a map, for load.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use futures::{SinkExt as _, StreamExt as _};
use petwalker_kernel::RideId;
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// An open socket that speaks MessagePack.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens the socket of a ride and reads its greeting.
    pub(crate) async fn open(url: &str, ride: RideId, end: &str, token: &str) -> anyhow::Result<Self> {
        Self::open_from(Ipv4Addr::LOCALHOST, url, ride, end, token).await
    }

    /// The same from another address of loopback.
    pub(crate) async fn open_from(
        from: Ipv4Addr,
        url: &str,
        ride: RideId,
        end: &str,
        token: &str,
    ) -> anyhow::Result<Self> {
        let address = url.trim_start_matches("http://");
        let mut request = format!("ws://{address}/v1/rides/{ride}/{end}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "petwalker.v1.msgpack".parse()?);
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let stream = socket.connect(address.parse()?).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        let mut socket = Self(socket);
        socket.next().await.context("no greeting")?;
        Ok(socket)
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: Bytes) -> anyhow::Result<()> {
        Ok(self.0.send(Message::Binary(frame)).await?)
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Bytes> {
        loop {
            match self.0.next().await.context("the socket ended")?? {
                Message::Binary(bytes) => return Ok(bytes),
                Message::Close(close) => anyhow::bail!("the socket was closed: {close:?}"),
                _ => {}
            }
        }
    }
}

/// A point as phones that save bytes send it: an array instead of a map.
#[derive(Serialize)]
struct Point(u32, i64, (f64, f64), f32, Option<f32>);

#[derive(Serialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    points: Vec<Point>,
}

/// The frame with the points `first` to `first + count - 1` of a walk northwards that began at `start_ms`.
pub(crate) fn frame(first: u32, count: u32, start_ms: i64) -> anyhow::Result<Bytes> {
    let points = (first..first + count)
        .map(|seq| {
            let wander = f64::from(seq % 17) * 3e-6;
            let place = (-23.0 + f64::from(seq % 100_000) * 1e-5, -46.0 + wander);
            Point(seq, start_ms + i64::from(seq) * 1_000, place, 5.0, Some(760.0))
        })
        .collect();
    Ok(rmp_serde::to_vec_named(&Frame { kind: "points", id: first.into(), points })?.into())
}
