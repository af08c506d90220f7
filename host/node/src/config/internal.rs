//! `[internal]`.

use edge_delivery::{Internal as Caller, Settler};
use serde::Deserialize;

use super::within;

/// `[internal]`: how the node reaches the application on its own behalf.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Internal {
    /// Paths closed to the outside.
    pub prefix: String,
    /// The variable through which the application learns the node's secret.
    pub secret_variable: String,
    /// Variables that get a random value at the first start, kept in the data folder.
    pub generated_variables: Vec<String>,
    /// The database whose `events` table is the stream; empty for none.
    pub events_database: String,
    /// How often `tick` is posted, milliseconds; 0 for never.
    pub tick_interval_ms: u64,
    /// Posted to have everything that is stored written into the events: before somebody else goes on from them, and while
    /// something is committed. Empty for never.
    pub settle_path: String,
    /// How often it is posted while something is committed, milliseconds, 100 to 1500.
    pub settle_interval_ms: u64,
}

impl Default for Internal {
    fn default() -> Self {
        Self {
            prefix: "/internal".to_owned(),
            secret_variable: "internal_secret".to_owned(),
            generated_variables: vec!["token_seed".to_owned(), "operator_code".to_owned()],
            events_database: "region".to_owned(),
            tick_interval_ms: 1_000,
            settle_path: "settle".to_owned(),
            settle_interval_ms: 1_000,
        }
    }
}

impl Internal {
    /// Has the application settle what it stores; none where it is not to be asked.
    pub(crate) fn settler(&self, caller: &Caller) -> Option<Settler> {
        let path = Some(self.settle_path.clone()).filter(|path| !path.is_empty())?;
        Some(Settler::new(caller.clone(), path))
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = self
            .prefix
            .strip_prefix('/')
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        within("internal.settle_interval_ms", self.settle_interval_ms, 100, 1_500)?;
        if plain {
            Ok(())
        } else {
            Err(("internal.prefix", format!("'{}' must be '/' and one segment of a-z and '-'", self.prefix)))
        }
    }
}
