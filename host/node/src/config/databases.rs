//! `[databases]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::within;

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
    /// Where its primary is; none where the file is the database.
    #[serde(default)]
    pub primary: Option<Primary>,
}

/// `[databases.<label>.primary]`: a libSQL server that takes the writes. The file is a replica of it, then.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// Its URL, `http://` or `https://`.
    pub url: String,
    /// The file with the token that it wants.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// How often the replica asks for news by itself, milliseconds, 50 to 60000.
    #[serde(default = "sync_interval_ms")]
    pub sync_interval_ms: u64,
    /// How long a client waits for the replica to show what it wrote, milliseconds, 10 to 10000.
    #[serde(default = "wait_ms")]
    pub wait_ms: u64,
    /// Time for one statement on the primary, milliseconds, 10 to 60000.
    #[serde(default = "statement_timeout_ms")]
    pub statement_timeout_ms: u64,
}

const fn sync_interval_ms() -> u64 {
    1_000
}

const fn wait_ms() -> u64 {
    500
}

const fn statement_timeout_ms() -> u64 {
    3_000
}

impl Primary {
    /// The server at that URL, which wants no token.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            token_file: None,
            sync_interval_ms: sync_interval_ms(),
            wait_ms: wait_ms(),
            statement_timeout_ms: statement_timeout_ms(),
        }
    }
}

impl Databases {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for (label, database) in &self.0 {
            let Some(primary) = &database.primary else { continue };
            if !["http://", "https://"].iter().any(|scheme| primary.url.starts_with(scheme)) {
                let message = format!("'{}' ({label}) must begin with http:// or https://", primary.url);
                return Err(("databases.primary.url", message));
            }
            within("databases.primary.sync_interval_ms", primary.sync_interval_ms, 50, 60_000)?;
            within("databases.primary.wait_ms", primary.wait_ms, 10, 10_000)?;
            within("databases.primary.statement_timeout_ms", primary.statement_timeout_ms, 10, 60_000)?;
        }
        Ok(())
    }
}

impl Default for Databases {
    fn default() -> Self {
        let database = |label: &str| Database {
            file: format!("{label}.db").into(),
            migrations: format!("db-schema/{label}").into(),
            primary: None,
        };
        Self(["global", "region"].into_iter().map(|l| (l.to_owned(), database(l))).collect())
    }
}
