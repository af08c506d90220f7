//! `[objects]`.

use std::path::PathBuf;

use serde::Deserialize;

/// `[objects]`: a folder that answers components as an S3-compatible store does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objects {
    /// The name under which components reach it, as `http://<host>`; empty for none. Nobody else can.
    pub host: String,
    /// The folder, in the data folder unless the path is absolute.
    pub folder: PathBuf,
    /// Bytes of one object, KiB, 1 to 1048576.
    pub object_kib: usize,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            host: "objects.edge.internal".to_owned(),
            folder: PathBuf::from("objects"),
            object_kib: 16_384,
        }
    }
}

impl Objects {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        super::within("objects.object_kib", self.object_kib as u64, 1, 1_048_576)
    }
}
