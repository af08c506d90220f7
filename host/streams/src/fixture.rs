//! Records for tests.

use petwalker_journal::{Envelope, RecordDigest};

/// A record of the region "here", written after the one with the digest `previous`.
pub(crate) fn record(seq: u64, previous: RecordDigest, epoch: u64, payload: u8) -> Vec<u8> {
    let envelope = Envelope {
        event_id: format!("{epoch}-{seq}"),
        event_type: "thing.happened".to_owned(),
        stream_id: "thing".to_owned(),
        version: 1,
        region: "here".to_owned(),
        epoch,
        seq,
        previous,
        at_ms: 0,
        schema: 1,
        payload: vec![payload],
        command: None,
    };
    envelope.encode().expect("encodes")
}
