//! A socket of the demonstration's people: JSON, one message a frame.

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const SUBPROTOCOL: &str = "petwalker.v1.json";
/// Nothing on a socket takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a socket that broke off is opened anew: the region may be changing hands.
const RETRY_FOR: Duration = Duration::from_secs(20);
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// An open socket.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the server said first.
    pub(super) greeting: Value,
}

impl Socket {
    /// Opens a socket and reads its greeting; none where the server has no sockets, as stock Spin.
    pub(super) async fn open(base: &str, path: &str, token: &str) -> anyhow::Result<Option<Self>> {
        let url = format!("{}{path}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse()?);
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => {
                let mut socket = Self { stream, greeting: Value::Null };
                socket.greeting = socket.next().await?.context("the socket closed before its greeting")?;
                Ok(Some(socket))
            }
            Err(Error::Http(response)) if [200, 400, 404, 405].contains(&response.status().as_u16()) => {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("no socket at {path}")),
        }
    }

    /// Opens a socket anew that broke off, as soon as there is somebody to open it.
    pub(super) async fn reopen(base: &str, path: &str, token: &str) -> anyhow::Result<Self> {
        let deadline = tokio::time::Instant::now() + RETRY_FOR;
        loop {
            match Self::open(base, path, token).await {
                Ok(Some(socket)) => return Ok(socket),
                Ok(None) => bail!("the server has no socket at {path} any more"),
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(RETRY_EVERY).await,
            }
        }
    }

    /// The next message; none once the server has said that it is over.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            let frame =
                tokio::time::timeout(PATIENCE, self.stream.next()).await.context("the socket is silent")?;
            match frame.context("the socket broke off")?? {
                Message::Text(text) => return Ok(Some(serde_json::from_str(&text)?)),
                Message::Close(Some(close)) if u16::from(close.code) == 1000 => return Ok(None),
                Message::Close(close) => bail!("the socket was closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Sends a message and returns its answer.
    pub(super) async fn ask(&mut self, message: &Value) -> anyhow::Result<Value> {
        self.stream.send(Message::text(message.to_string())).await?;
        self.next().await?.context("the socket closed without an answer")
    }
}
