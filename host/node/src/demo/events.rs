//! Checks a region's event log from its file.

use std::path::Path;

use anyhow::{Context as _, ensure};
use petwalker_journal::{Envelope, Position};

/// Reads the whole log of the region at `file`: checks numbers and digests, and returns the types of one entity's events
/// in order, with the number of all events.
pub(super) async fn check(file: &Path, entity: &str) -> anyhow::Result<(Vec<String>, u64)> {
    let path = file.to_str().context("the data folder's path is not UTF-8")?;
    let connection = libsql::Builder::new_local(path).build().await?.connect()?;
    let mut rows = connection.query("SELECT record FROM events ORDER BY seq", ()).await?;
    let (mut at, mut types) = (Position::START, Vec::new());
    while let Some(row) = rows.next().await? {
        let record: Vec<u8> = row.get(0)?;
        let envelope = Envelope::decode(&record)?;
        at = at.advance(&envelope, &record)?;
        if envelope.stream_id == entity {
            let expected = u32::try_from(types.len()).unwrap_or(u32::MAX).saturating_add(1);
            ensure!(envelope.version == expected, "event {} has version {}", envelope.seq, envelope.version);
            types.push(envelope.event_type);
        }
    }
    Ok((types, at.seq))
}
