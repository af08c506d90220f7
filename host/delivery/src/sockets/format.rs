//! The two ways to write the same messages: JSON in text frames, MessagePack in binary ones.
//!
//! Components speak MessagePack only. Whoever speaks JSON is translated for, once a message however many read it.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::wire;

/// How a client writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    MessagePack,
}

/// Why a frame cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("this subprotocol takes {0} frames")]
    Kind(&'static str),
    #[error("{0}")]
    Json(String),
}

impl Format {
    /// The first offered subprotocol that is spoken here, with its name.
    pub(super) fn choose<'a>(
        offered: impl Iterator<Item = &'a str>,
        protocol: &str,
    ) -> Option<(Self, &'a str)> {
        let formats = |name: &'a str| match name.strip_prefix(protocol)? {
            ".json" => Some((Self::Json, name)),
            ".msgpack" => Some((Self::MessagePack, name)),
            _ => None,
        };
        offered.into_iter().find_map(formats)
    }

    /// A data frame as MessagePack.
    pub(super) fn read(self, message: Message) -> Result<Bytes, Unreadable> {
        match (self, message) {
            (Self::MessagePack, Message::Binary(bytes)) => Ok(bytes),
            (Self::MessagePack, _) => Err(Unreadable::Kind("binary")),
            (Self::Json, Message::Text(text)) => from_json(&text),
            (Self::Json, _) => Err(Unreadable::Kind("text")),
        }
    }
}

fn from_json(text: &str) -> Result<Bytes, Unreadable> {
    let mut packed = Vec::with_capacity(text.len());
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_transcode::transcode(&mut reader, &mut rmp_serde::Serializer::new(&mut packed))
        .map_err(|e| Unreadable::Json(e.to_string()))?;
    reader.end().map_err(|e| Unreadable::Json(e.to_string()))?;
    Ok(packed.into())
}

/// A message to clients.
#[derive(Debug)]
pub(super) struct Packed {
    packed: Bytes,
    json: OnceLock<Utf8Bytes>,
}

impl Packed {
    /// The message of those MessagePack bytes.
    pub(super) fn new(packed: impl Into<Bytes>) -> Self {
        Self { packed: packed.into(), json: OnceLock::new() }
    }

    /// Tells a client why its frame was not taken.
    pub(super) fn refusal(code: &str, message: &str) -> Self {
        let refused = wire::Refused { kind: "refused", id: 0, code, message };
        let mut packed = Vec::new();
        // A map of strings and a number, written to memory: there is nothing that could fail.
        let written = refused.serialize(&mut rmp_serde::Serializer::new(&mut packed).with_struct_map());
        debug_assert!(written.is_ok());
        Self::new(packed)
    }

    /// Whether it says the same as another.
    pub(super) fn says(&self, other: &Self) -> bool {
        self.packed == other.packed
    }

    /// As a frame of that format. None: the component's message is no MessagePack that JSON could say.
    pub(super) fn message(&self, format: Format) -> Option<Message> {
        if format == Format::MessagePack {
            return Some(Message::Binary(self.packed.clone()));
        }
        if let Some(json) = self.json.get() {
            return Some(Message::Text(json.clone()));
        }
        let mut text = Vec::with_capacity(self.packed.len() * 2);
        let mut reader = rmp_serde::Deserializer::from_read_ref(&self.packed[..]);
        serde_transcode::transcode(&mut reader, &mut serde_json::Serializer::new(&mut text)).ok()?;
        let json = Utf8Bytes::try_from(Bytes::from(text)).ok()?;
        Some(Message::Text(self.json.get_or_init(|| json).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Packed, Unreadable};
    use tokio_tungstenite::tungstenite::Message;

    #[test]
    fn the_first_subprotocol_spoken_here_is_chosen() {
        let choose = |offered: &'static [&str]| Format::choose(offered.iter().copied(), "walk.v1");
        assert_eq!(
            choose(&["walk.v2.json", "walk.v1.msgpack", "walk.v1.json"]),
            Some((Format::MessagePack, "walk.v1.msgpack"))
        );
        assert_eq!(choose(&["walk.v1.json"]), Some((Format::Json, "walk.v1.json")));
        assert_eq!(choose(&["walk.v1", "json"]), None);
    }

    #[test]
    fn both_formats_say_the_same() {
        let json = r#"{"type":"points","id":7,"points":[{"lat":-23.5,"up":null,"ok":true}]}"#;
        let packed = Packed::new(Format::Json.read(Message::text(json)).expect("read"));
        assert_eq!(packed.message(Format::Json), Some(Message::text(json)));
        let again = packed.message(Format::MessagePack).expect("bytes");
        assert_eq!(Format::MessagePack.read(again).expect("read"), packed.packed);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(Format::Json.read(Message::binary(vec![0x80])), Err(Unreadable::Kind("text")));
        assert_eq!(Format::MessagePack.read(Message::text("{}")), Err(Unreadable::Kind("binary")));
        let cut = Format::Json.read(Message::text("{\"a\":")).expect_err("cut").to_string();
        assert!(cut.contains("line 1 column 5"), "{cut}");
        assert!(Format::Json.read(Message::text("{} {}")).is_err());
        let deep = "[".repeat(100_000);
        assert!(Format::Json.read(Message::text(deep)).is_err());
    }
}
