//! Beginning an epoch in a region's file.

use anyhow::Context as _;
use edge_data::LocalDatabase;
use edge_runtime::storage::{SqlDatabase as _, SqlValue};
use edge_streams::{EventTable, OPENED, Opened};
use petwalker_journal::{Envelope, digest};

use crate::clock::now_ms;

/// Begins an epoch: from here on events carry it, and the first of them says so, so that readers know it before anything
/// else happens; its record. `published` is the last event that the topic was seen to hold. The file's gate must be open.
pub(crate) async fn begin(
    database: &LocalDatabase,
    region: &str,
    epoch: u64,
    edge: &str,
    published: u64,
) -> anyhow::Result<Vec<u8>> {
    let position = EventTable::open(database).await?.position().await?;
    let facts = Opened { edge: edge.to_owned(), published };
    let envelope = Envelope {
        event_id: event_id()?,
        event_type: OPENED.to_owned(),
        stream_id: format!("region/{region}"),
        version: u32::try_from(epoch).unwrap_or(u32::MAX),
        region: region.to_owned(),
        epoch,
        seq: position.seq + 1,
        previous: position.digest,
        at_ms: now_ms(),
        schema: 1,
        payload: rmp_serde::to_vec_named(&facts)?,
        command: None,
    };
    let record = envelope.encode()?;
    let blob = |bytes: &[u8]| SqlValue::Blob(bytes.to_vec());
    let integer = |number: u64| SqlValue::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let mut connection = database.open();
    connection.execute("BEGIN IMMEDIATE", vec![]).await?;
    connection.execute("UPDATE region SET epoch = ?1 WHERE one = 1", vec![integer(epoch)]).await?;
    let insert = "INSERT INTO events (seq, type, stream_id, record, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = vec![
        integer(envelope.seq),
        SqlValue::Text(envelope.event_type),
        SqlValue::Text(envelope.stream_id),
        blob(&record),
        blob(digest(&record).as_bytes()),
    ];
    connection.execute(insert, values).await?;
    connection.execute("COMMIT", vec![]).await?;
    Ok(record)
}

/// A UUIDv7 (RFC 9562).
fn event_id() -> anyhow::Result<String> {
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).context("the operating system gives no random bytes")?;
    let at_ms = u64::try_from(now_ms()).unwrap_or_default();
    Ok(uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid().to_string())
}
