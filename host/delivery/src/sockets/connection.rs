//! What every socket does: answers pings, notices silence, ends in time and says why.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Limits;

/// A client that takes nothing for this long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A client has this long to take its leave.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// A socket keeps this much of what it reads: most frames are smaller, and most sockets idle.
const BUFFER_BYTES: usize = 2 << 10;

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client said so, or is gone.
    Client,
    /// The node stops.
    Stop,
    /// Nothing more will happen here.
    Over,
    /// The access token ended.
    Token,
    /// What the client watches is not theirs to see any more.
    Forbidden,
    /// No answer to a ping, or no reading.
    Silent,
    /// Data on a socket that takes none.
    Policy,
    /// A frame that is too large.
    TooBig,
    /// A frame that is none.
    Protocol,
    /// The component could not be asked.
    Unavailable,
    /// The client was told by the subprotocol's own code what it did wrong.
    Breach { code: u16, reason: &'static str },
}

impl End {
    /// The close code and reason to send (RFC 6455, section 7.4); 4000 and above are the application's own.
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Client => return None,
            Self::Stop => (CloseCode::Away, "the node stops; connect again"),
            Self::Over => (CloseCode::Normal, "it is over"),
            Self::Token => (CloseCode::Library(4401), "the access token ended; connect again with a new one"),
            Self::Forbidden => (CloseCode::Library(4403), "this is not yours to watch any more"),
            Self::Silent => (CloseCode::Library(4408), "no answer to a ping, or nothing read"),
            Self::Policy => (CloseCode::Policy, "this socket takes no data"),
            Self::TooBig => (CloseCode::Size, "a frame is too large"),
            Self::Protocol => (CloseCode::Protocol, "not a WebSocket frame"),
            Self::Breach { code, reason } => (code.into(), reason),
            Self::Unavailable => (CloseCode::Again, "not possible right now; connect again shortly"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Stop => "stop",
            Self::Over => "over",
            Self::Token => "token",
            Self::Forbidden => "forbidden",
            Self::Silent => "silent",
            Self::Policy => "policy",
            Self::TooBig => "too-big",
            Self::Protocol => "protocol",
            Self::Unavailable => "unavailable",
            Self::Breach { .. } => "breach",
        }
    }
}

/// An open socket.
pub(super) struct Connection {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    stop: watch::Receiver<bool>,
    /// When the socket ends whatever happens, and why it does then.
    until: (Instant, End),
    pings: Interval,
    /// Whether anything came since the last ping.
    heard: bool,
}

impl Connection {
    pub(super) async fn new(
        upgraded: Upgraded,
        limits: Limits,
        until: (Instant, End),
        stop: watch::Receiver<bool>,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(limits.frame_bytes_max * 4)
            .max_message_size(Some(limits.frame_bytes_max))
            .max_frame_size(Some(limits.frame_bytes_max));
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let mut pings = tokio::time::interval_at(Instant::now() + limits.ping_interval, limits.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { stream, stop, until, pings, heard: true }
    }

    /// Sets another end.
    pub(super) const fn lasts_until(&mut self, until: Instant, end: End) {
        self.until = (until, end);
    }

    /// The next data frame. Pings are answered and silence is noticed meanwhile.
    pub(super) async fn next(&mut self) -> Result<Message, End> {
        loop {
            let read = tokio::select! {
                read = self.stream.next() => Some(read),
                _ = self.pings.tick() => None,
                () = tokio::time::sleep_until(self.until.0) => return Err(self.until.1),
                _ = self.stop.wait_for(|stop| *stop) => return Err(End::Stop),
            };
            let Some(read) = read else {
                if !std::mem::take(&mut self.heard) {
                    return Err(End::Silent);
                }
                self.send(Message::Ping(bytes::Bytes::new())).await?;
                continue;
            };
            self.heard = true;
            match read {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(message),
                // The library answers pings and closes by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(End::Client),
                Some(Err(error)) => return Err(end_of(&error)),
            }
        }
    }

    /// Sends a frame.
    pub(super) async fn send(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(SEND_TIMEOUT, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(end_of(&error)),
            Err(_) => Err(End::Silent),
        }
    }

    /// Says why, and ends.
    pub(super) async fn close(mut self, end: End) {
        metrics::counter!("sockets_ended_total", "why" => end.name()).increment(1);
        let goodbye = async {
            self.stream.close(end.frame()).await?;
            // What the client is still sending is read until it has closed its side as well, or it would reset the
            // connection before the client has read why. After a frame that is too large there are no frames to read.
            if end == End::TooBig {
                tokio::io::copy(self.stream.get_mut(), &mut tokio::io::sink()).await?;
            } else {
                while self.stream.next().await.transpose()?.is_some() {}
            }
            Ok::<_, Error>(())
        };
        // Whether the goodbye arrives is the client's concern.
        drop(tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await);
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooBig,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => End::Client,
        Error::Protocol(_) | Error::Utf8(_) => End::Protocol,
        _ => End::Client,
    }
}
