//! What the bridge and the component say to each other, as MessagePack with named fields.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Posted to `open`: a client wants a socket. Any answer but success is passed on to the client.
#[derive(Serialize)]
pub(super) struct Opening<'a> {
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub authorization: Option<&'a str>,
}

/// The answer: the socket may be opened.
#[derive(Deserialize)]
pub(super) struct Opened {
    /// What the socket is about. Frames and news with the same key belong together.
    pub key: String,
    /// Handed back with every frame.
    pub context: ByteBuf,
    /// When the right to the socket ends, UTC milliseconds.
    pub until_ms: i64,
    /// From where news are told.
    pub cursor: u64,
    /// The first message to the client.
    pub greeting: ByteBuf,
}

/// Posted to `take`: the frames of many sockets.
#[derive(Serialize)]
pub(super) struct Frames<'a> {
    pub frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub key: &'a str,
    #[serde(with = "serde_bytes")]
    pub context: &'a [u8],
    /// Whether anybody on this node watches the key.
    pub watched: bool,
    #[serde(with = "serde_bytes")]
    pub body: &'a [u8],
}

/// The answer: one for each frame, in their order.
#[derive(Deserialize)]
pub(super) struct Answers {
    pub answers: Vec<Answer>,
}

#[derive(Deserialize)]
pub(super) struct Answer {
    /// The message to the sender.
    pub body: ByteBuf,
    /// What the frame changed, for those who watch its key.
    pub news: Option<News>,
}

/// What is new of a key from one cursor to the next.
#[derive(Deserialize)]
pub(super) struct News {
    pub from: u64,
    pub to: u64,
    pub body: ByteBuf,
    /// Whether it tells more than what is between the cursors. Left out for no.
    #[serde(default)]
    pub whole: bool,
    /// Whether nothing will ever be new again. Left out for no.
    #[serde(default)]
    pub over: bool,
    /// Of what depends who may be told, in the component's own words: where it changes, the component is asked again for each
    /// watcher. Left out where that never changes.
    #[serde(default)]
    pub audience: String,
}

/// Posted to `read`: what is new of a key since a cursor? The answer is [`News`], or a refusal where the watcher may not be
/// told any more.
#[derive(Serialize)]
pub(super) struct Reading<'a> {
    pub key: &'a str,
    pub cursor: u64,
    /// Who is to be told: the context that the socket was opened with; none for what is published to all.
    #[serde(with = "serde_bytes")]
    pub context: Option<&'a [u8]>,
}

/// Posted to `subscribe`: an operation of a socket, or its next step.
#[derive(Serialize)]
pub(super) struct Operation<'a> {
    /// Who asks: the context that the socket was opened with.
    #[serde(with = "serde_bytes")]
    pub context: &'a [u8],
    /// The operation as the client sent it, JSON.
    #[serde(with = "serde_bytes")]
    pub request: &'a [u8],
    /// Up to where earlier steps told; none for the first.
    pub cursor: Option<u64>,
}

/// The answer: what the step came to.
#[derive(Deserialize)]
pub(super) struct Stepped {
    /// For the client, JSON: a result, or the errors of what was refused.
    pub payload: ByteBuf,
    pub refused: bool,
    /// The key whose news the next step waits for; none where there is none.
    pub key: Option<String>,
    pub cursor: u64,
}

/// A message of the bridge's own: why a frame was not taken.
#[derive(Serialize)]
pub(super) struct Refused<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: u64,
    pub code: &'a str,
    pub message: &'a str,
}
