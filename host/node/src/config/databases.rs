//! `[databases]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// `[databases]`, by the label under which components open them.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Databases(pub BTreeMap<String, Database>);

/// One database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The file, in the data folder.
    pub file: PathBuf,
    /// The folder of its migrations, relative to the manifest.
    pub migrations: PathBuf,
}

impl Default for Databases {
    fn default() -> Self {
        let database = |label: &str| Database {
            file: format!("{label}.db").into(),
            migrations: format!("db-schema/{label}").into(),
        };
        Self(["global", "region"].into_iter().map(|l| (l.to_owned(), database(l))).collect())
    }
}
