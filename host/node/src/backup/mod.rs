//! Backups: copies of a node's databases, and what was between them.
//!
//! A backup is a folder, in a folder or an S3-compatible store, with the parts of each database and a manifest that names
//! them with their digests. The manifest is written last: without it there is no backup. Each database is copied as it was at
//! one moment, while nodes write on: `global` first and the regions after it, so that no consumer in `global` has seen an event
//! that its region's copy lacks.
//!
//! Restoring puts the copies in place, and then has the components take over what the log holds beyond them: to its end, or
//! to a moment. The log is the region's topic, or the event table of a later backup, or that of a file that was kept.

mod log;
mod make;
mod place;
mod pour;
mod restore;
mod seal;
mod staging;

use std::collections::BTreeMap;

use petwalker_journal::{Position, RecordDigest};
use serde::{Deserialize, Serialize};

pub use self::make::make;
pub use self::place::{Credentials, Place, PlaceError};
pub use self::restore::{Restored, RestoredRegion, Wish, restore};
pub use self::seal::Key;

/// The manifest's format.
const FORMAT: u32 = 1;
/// The manifest's name in a backup's folder.
const MANIFEST: &str = "manifest.json";

/// What a backup holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this manifest.
    pub format: u32,
    /// The backup's name.
    pub id: String,
    /// When its last copy was made, UTC milliseconds: nothing in it is younger.
    pub made_at_ms: i64,
    /// The node that made it.
    pub node: String,
    /// The release that made it.
    pub release: String,
    /// Whether its parts are sealed with a key.
    pub sealed: bool,
    /// The databases that are not a region's, by label.
    pub databases: BTreeMap<String, Copy>,
    /// The regions, by name.
    pub regions: BTreeMap<String, RegionCopy>,
}

/// A copy of one database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Copy {
    /// Its length.
    pub bytes: u64,
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// A part of a copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the backup's folder.
    pub name: String,
    /// SHA-256 of its bytes before they were sealed, hexadecimal.
    pub sha256: String,
}

/// A copy of a region's database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegionCopy {
    /// The copy.
    #[serde(flatten)]
    pub copy: Copy,
    /// The last event in it, 0 for none.
    pub seq: u64,
    /// The digest of that event, hexadecimal.
    pub digest: String,
    /// The epoch of that event.
    pub epoch: u64,
}

impl RegionCopy {
    /// Where its log ends; none where the manifest was written over.
    fn position(&self) -> Option<Position> {
        let digest = RecordDigest::from_slice(&hex::decode(&self.digest).ok()?)?;
        Some(Position { seq: self.seq, digest, epoch: self.epoch })
    }
}

/// The name of a backup that `node` made then: it sorts by time.
fn id(at_ms: i64, node: &str) -> anyhow::Result<String> {
    let at = jiff::Timestamp::from_millisecond(at_ms)?;
    Ok(format!("{}-{node}", at.strftime("%Y%m%dT%H%M%S%3fZ")))
}

/// A moment for people.
#[must_use]
pub fn moment(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{id, moment};

    #[test]
    fn names_sort_by_time() {
        let early = id(1_764_000_000_999, "edge-1").expect("a time");
        assert_eq!(early, "20251124T160000999Z-edge-1");
        assert!(early < id(1_764_000_001_000, "edge-0").expect("a time"));
        assert_eq!(moment(1_764_000_000_007), "2025-11-24 16:00:00.007 UTC");
    }
}
