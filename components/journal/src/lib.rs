//! The event envelope: what a region's stream carries, one record an event.
//!
//! An envelope is MessagePack with named fields, so that a field can be added without breaking an older reader. It
//! carries the region's contiguous sequence number and the digest of the record before it: a reader detects a gap, a
//! fork or a changed record at once.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Largest record, bytes.
pub const RECORD_BYTES_MAX: usize = 256 << 10;

/// SHA-256 of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordDigest(#[serde(with = "serde_bytes")] [u8; 32]);

impl RecordDigest {
    /// The digest "before" the first record.
    pub const GENESIS: Self = Self([0; 32]);

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these 32 bytes; none for another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// One event with its place in its region's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Id of the event, UUIDv7.
    pub event_id: String,
    /// What happened, for instance `ride.requested`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to: the entity's id.
    pub stream_id: String,
    /// The entity's version after the event, from 1.
    pub version: u32,
    /// The region.
    pub region: String,
    /// The owner's epoch when the event was written.
    pub epoch: u64,
    /// Place in the region's stream, from 1 without a gap.
    pub seq: u64,
    /// Digest of the record before it.
    pub previous: RecordDigest,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Version of the payload's schema.
    pub schema: u32,
    /// The facts, MessagePack with named fields.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// The command that it came of; none where nobody named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandMark>,
}

/// The name of a command, so that whoever has its events answers a repeat of it as the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMark {
    /// Who commanded: an account's id.
    pub actor: String,
    /// The actor's own name for the command.
    pub id: String,
    /// Digest of what was asked.
    #[serde(with = "serde_bytes")]
    pub fingerprint: Vec<u8>,
}

/// Why bytes are not a record, or a record does not follow another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Not an envelope.
    #[error("the record is not an event envelope: {0}")]
    Malformed(String),
    /// Larger than [`RECORD_BYTES_MAX`].
    #[error("the record has {0} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// A sequence number is missing or comes twice.
    #[error("record {found} came where {expected} was due")]
    Gap {
        /// The number that should have come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// The record before it is not the one it was written after.
    #[error("record {seq} was not written after the record before it: the stream forked or was changed")]
    Fork {
        /// The record.
        seq: u64,
    },
    /// From an owner that had lost the region.
    #[error("record {seq} is of epoch {found}, and epoch {known} was seen")]
    StaleEpoch {
        /// The record.
        seq: u64,
        /// Its epoch.
        found: u64,
        /// The newest seen.
        known: u64,
    },
}

impl Envelope {
    /// The record's bytes.
    ///
    /// # Errors
    /// When it is larger than a record may be.
    pub fn encode(&self) -> Result<Vec<u8>, JournalError> {
        let bytes = rmp_serde::to_vec_named(self).map_err(|e| JournalError::Malformed(e.to_string()))?;
        if bytes.len() > RECORD_BYTES_MAX { Err(JournalError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When the bytes are not one, or are too many.
    pub fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(JournalError::TooLarge(bytes.len()));
        }
        rmp_serde::from_slice(bytes).map_err(|e| JournalError::Malformed(e.to_string()))
    }

    /// Reads the facts.
    ///
    /// # Errors
    /// When they are not of the expected shape.
    pub fn facts<T: for<'de> Deserialize<'de>>(&self) -> Result<T, JournalError> {
        rmp_serde::from_slice(&self.payload)
            .map_err(|e| JournalError::Malformed(format!("payload of {}: {e}", self.event_type)))
    }
}

/// Digest of a record's bytes.
#[must_use]
pub fn digest(record: &[u8]) -> RecordDigest {
    RecordDigest(Sha256::digest(record).into())
}

/// Where a reader of a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Sequence number of the last record read, 0 before the first.
    pub seq: u64,
    /// Its digest.
    pub digest: RecordDigest,
    /// The newest epoch seen.
    pub epoch: u64,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { seq: 0, digest: RecordDigest::GENESIS, epoch: 0 };

    /// Takes the next record; the position after it.
    ///
    /// # Errors
    /// When it is not the next, was not written after the last, or comes from an owner that lost the region.
    pub fn advance(self, envelope: &Envelope, record: &[u8]) -> Result<Self, JournalError> {
        let seq = envelope.seq;
        if envelope.epoch < self.epoch {
            return Err(JournalError::StaleEpoch { seq, found: envelope.epoch, known: self.epoch });
        }
        if seq != self.seq + 1 {
            return Err(JournalError::Gap { expected: self.seq + 1, found: seq });
        }
        if envelope.previous != self.digest {
            return Err(JournalError::Fork { seq });
        }
        Ok(Self { seq, digest: digest(record), epoch: envelope.epoch })
    }
}

/// Several records in one message, as the host hands them to a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The records, in order.
    pub records: Vec<serde_bytes::ByteBuf>,
}

#[cfg(test)]
mod tests {
    use super::{CommandMark, Envelope, JournalError, Position, RecordDigest, digest};
    use proptest::prelude::*;

    fn envelope(seq: u64, previous: RecordDigest, epoch: u64) -> Envelope {
        Envelope {
            event_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            event_type: "ride.requested".into(),
            stream_id: "01890a5d-ac96-774b-bcce-b302099a8058".into(),
            version: 1,
            region: "sao-paulo-centro".into(),
            epoch,
            seq,
            previous,
            at_ms: 1_700_000_000_000,
            schema: 1,
            payload: vec![0x80],
            command: None,
        }
    }

    /// Bytes that this codec wrote when the format was first released.
    const GOLDEN: &str = include_str!("../golden/envelope-1.hex");

    #[test]
    fn old_bytes_still_decode() {
        let bytes = hex::decode(GOLDEN.trim()).expect("hex");
        assert_eq!(Envelope::decode(&bytes), Ok(envelope(1, RecordDigest::GENESIS, 1)));
        assert_eq!(envelope(1, RecordDigest::GENESIS, 1).encode(), Ok(bytes));
    }

    /// A reader of before passes over what it does not know, and the other way round.
    #[test]
    fn a_command_is_carried_and_may_be_left_out() {
        let mark = CommandMark { actor: "a".into(), id: "key".into(), fingerprint: vec![1, 2] };
        let marked = Envelope { command: Some(mark), ..envelope(1, RecordDigest::GENESIS, 1) };
        let bytes = marked.encode().expect("encodes");
        assert_eq!(Envelope::decode(&bytes), Ok(marked));
    }

    #[test]
    fn a_reader_notices_what_is_wrong() {
        let first = envelope(1, RecordDigest::GENESIS, 1);
        let bytes = first.encode().expect("encodes");
        let at_one = Position::START.advance(&first, &bytes).expect("the first");
        let follow = |seq, previous, epoch| {
            let next = envelope(seq, previous, epoch);
            at_one.advance(&next, &next.encode().expect("encodes"))
        };
        assert_eq!(follow(2, digest(&bytes), 1).map(|p| p.seq), Ok(2));
        assert_eq!(follow(3, digest(&bytes), 1), Err(JournalError::Gap { expected: 2, found: 3 }));
        assert_eq!(follow(1, digest(&bytes), 1), Err(JournalError::Gap { expected: 2, found: 1 }));
        assert_eq!(follow(2, digest(b"other"), 1), Err(JournalError::Fork { seq: 2 }));
        assert_eq!(
            follow(2, digest(&bytes), 0),
            Err(JournalError::StaleEpoch { seq: 2, found: 0, known: 1 })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert!(Envelope::decode(&envelope.encode().expect("encodes")).is_ok());
            }
        }

        #[test]
        fn what_is_written_is_read(seq in any::<u64>(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let written = Envelope { payload, ..envelope(seq, digest(b"x"), 3) };
            prop_assert_eq!(Envelope::decode(&written.encode().expect("encodes")), Ok(written));
        }
    }
}
