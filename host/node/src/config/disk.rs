//! `[disk]`.

use std::path::PathBuf;
use std::time::Duration;

use edge_delivery::DiskOptions;
use serde::Deserialize;

use super::{patterns, within};

/// `[disk]`: what stores is refused before the disk is full.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// What stays free in the data folder's file system, MiB, 0 to 1073741824; 0 for no limit.
    pub free_mib_min: u64,
    /// The same in hundredths of the file system's size, 0 to 100. The smaller of the two counts.
    pub free_percent_min: u64,
    /// Between two looks, milliseconds, 100 to 60000.
    pub check_interval_ms: u64,
    /// Paths where unsafe requests are answered all the same, written as routes of `spin.toml`; DELETE always is.
    pub open_paths: Vec<String>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            free_mib_min: 512,
            free_percent_min: 2,
            check_interval_ms: 2_000,
            open_paths: ["/v1/sessions/...", "/v1/me/erasure", "/graphql"].map(str::to_owned).to_vec(),
        }
    }
}

impl Disk {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("disk.free_mib_min", self.free_mib_min, 0, 1 << 30)?;
        within("disk.free_percent_min", self.free_percent_min, 0, 100)?;
        within("disk.check_interval_ms", self.check_interval_ms, 100, 60_000)?;
        patterns(&self.open_paths).map(drop).map_err(|message| ("disk.open_paths", message))
    }

    /// As the node takes it, for those folders.
    pub(crate) fn options(&self, folders: Vec<PathBuf>) -> DiskOptions {
        DiskOptions {
            folders,
            free_bytes_min: self.free_mib_min << 20,
            free_percent_min: self.free_percent_min,
            interval: Duration::from_millis(self.check_interval_ms),
            // Checked when the file was read.
            open_paths: patterns(&self.open_paths).unwrap_or_default(),
        }
    }
}
