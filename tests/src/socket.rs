//! A WebSocket client that reads and writes either format, for tests.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::Client;

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    packed: bool,
}

impl Client {
    /// Opens a socket with that subprotocol, or tells with which status and body it was refused.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// When the node is not there.
    pub async fn socket(&self, path: &str, protocol: &str) -> Result<Socket, (u16, Value)> {
        let url = format!("{}{path}", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a URL");
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let address = self.base.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(address).await.expect("the node is there");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((stream, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
                Ok(Socket { stream, packed: protocol.ends_with("msgpack") })
            }
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(other) => panic!("{other}"),
        }
    }
}

impl Socket {
    /// Sends a message.
    ///
    /// # Panics
    /// When the socket has ended.
    pub async fn send(&mut self, message: &Value) {
        let frame = if self.packed {
            Message::binary(rmp_serde::to_vec_named(message).expect("encodes"))
        } else {
            Message::text(message.to_string())
        };
        self.send_raw(frame).await;
    }

    /// Sends a frame as it is.
    ///
    /// # Panics
    /// When the socket has ended.
    pub async fn send_raw(&mut self, frame: Message) {
        self.stream.send(frame).await.expect("sent");
    }

    /// The next message.
    ///
    /// # Panics
    /// When the socket ends or nothing comes.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("in time");
            match frame.expect("open").expect("a frame") {
                Message::Text(text) if !self.packed => return serde_json::from_str(&text).expect("JSON"),
                Message::Binary(bytes) if self.packed => {
                    return rmp_serde::from_slice(&bytes).expect("MessagePack");
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a message and returns the next one.
    ///
    /// # Panics
    /// When the socket ends or nothing comes.
    pub async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    /// The same; none where the socket ends first.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn try_ask(&mut self, message: &Value) -> Option<Value> {
        let frame = Message::binary(rmp_serde::to_vec_named(message).expect("encodes"));
        self.stream.send(frame).await.ok()?;
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("in time");
            match frame?.ok()? {
                Message::Binary(bytes) => return Some(rmp_serde::from_slice(&bytes).expect("MessagePack")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The code and reason with which the socket ends, whatever comes before.
    ///
    /// # Panics
    /// When it does not end, or without a word.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("in time");
            if let Message::Close(Some(close)) = frame.expect("a word").expect("a frame") {
                return (close.code.into(), close.reason.to_string());
            }
        }
    }
}
