//! The node file: one TOML file an edge node, every key optional, unknown keys refused.

mod admission;
mod databases;
mod disk;
mod durability;
mod internal;
mod limits;
mod listen;
mod log;
mod objects;
mod regions;
mod sockets;
mod stream;
mod throttle;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_runtime::route::Pattern;
use serde::Deserialize;

pub use admission::{AdmissionSection, IsolatedRoutes, WaitSettings};
pub use databases::{Database, Databases, Primary};
pub use disk::Disk;
pub use durability::{Class, DurabilitySection, Policy, Worth};
pub use internal::Internal;
pub use limits::LimitSettings;
pub use listen::{Listen, Tls};
pub use log::{Log, LogFormat};
pub use objects::Objects;
pub use regions::{PeersSection, RegionsSection, read_atlas};
pub use sockets::SocketSettings;
pub use stream::{Packing, StreamSection, StreamTls};
pub use throttle::{Rate, ThrottleClass, ThrottleSection};

/// Everything a node is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[node]`.
    pub node: NodeSection,
    /// `[listen]`.
    pub listen: Listen,
    /// `[tls]`: certificate and key of the public listener.
    pub tls: Option<Tls>,
    /// `[limits]`.
    pub limits: LimitSettings,
    /// `[throttle]`.
    pub throttle: ThrottleSection,
    /// `[disk]`.
    pub disk: Disk,
    /// `[admission]`.
    pub admission: AdmissionSection,
    /// `[log]`.
    pub log: Log,
    /// `[databases]`.
    pub databases: Databases,
    /// `[internal]`.
    pub internal: Internal,
    /// `[sockets]`.
    pub sockets: SocketSettings,
    /// `[objects]`.
    pub objects: Objects,
    /// `[stream]`.
    pub stream: StreamSection,
    /// `[durability]`.
    pub durability: DurabilitySection,
    /// `[regions]`.
    pub regions: RegionsSection,
    /// `[peers]`: needed by a node among others.
    pub peers: Option<PeersSection>,
    /// `[variables]`: values of the application's variables.
    pub variables: BTreeMap<String, String>,
}

/// `[node]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSection {
    /// Name of the node.
    pub name: String,
    /// The region it owns.
    pub region: String,
    /// The folder of its data.
    pub data: PathBuf,
    /// The manifest it runs.
    pub manifest: PathBuf,
    /// The folder of compiled components; `cache` in the data folder where it is left out.
    pub cache: Option<PathBuf>,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self {
            name: "edge-1".to_owned(),
            region: "sao-paulo-centro".to_owned(),
            data: PathBuf::from("data"),
            manifest: PathBuf::from("spin.toml"),
            cache: None,
        }
    }
}

/// Why a node file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the node file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a node file.
    #[error("{path} is not a node file:\n{message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        message: String,
    },
    /// A value is out of its range.
    #[error("{path}: {key} {message}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The dotted key.
        key: &'static str,
        /// What is wrong, and what is allowed.
        message: String,
    },
}

impl Config {
    /// The same with limits that a test or a demonstration from one address does not reach.
    #[must_use]
    pub fn with_generous_limits(mut self) -> Self {
        self.throttle.factor = 1_000;
        self.throttle.at_once_per_address = 256;
        self.throttle.waiting_per_address_max = 10_000;
        self.throttle.turns_at_once = 64;
        self.throttle.turns_waiting_max = 10_000;
        self.throttle.turn_wait_ms = 30_000;
        self.listen.connections_per_address_max = self.listen.connections_max;
        self.sockets.sockets_per_address_max = self.sockets.sockets_max;
        self.sockets.sockets_per_account_max = self.sockets.sockets_max;
        self
    }

    /// Reads a node file.
    ///
    /// # Errors
    /// When it cannot be read, has an unknown key, or a value is out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// The same for a text that was read already.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|e| ConfigError::Parse { path: path.to_owned(), message: e.to_string() })?;
        config.check().map_err(|(key, message)| ConfigError::Value {
            path: path.to_owned(),
            key,
            message,
        })?;
        Ok(config)
    }

    /// What each component may use.
    pub(crate) fn runtime_limits(&self) -> edge_runtime::Limits {
        self.admission.runtime(&self.limits)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let region = &self.node.region;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || region.len() > 60 || !region.bytes().all(plain) {
            return Err(("node.region", format!("'{region}' must be 1 to 60 of a-z, 0-9 and '-'")));
        }
        self.listen.check()?;
        self.limits.check()?;
        self.throttle.check()?;
        self.disk.check()?;
        self.admission.check()?;
        self.databases.check()?;
        self.sockets.check()?;
        self.objects.check()?;
        self.stream.check(&self.node.region)?;
        let streams = !self.stream.fluvio.is_empty() || self.stream.folder.is_some();
        self.durability.check(streams, &self.sockets.send)?;
        self.regions.check()?;
        if self.regions.file.is_some() {
            if !streams {
                let message = "is needed where there are several edges: a stream that outlives a node. Set stream.fluvio, or \
                               stream.folder for edges on one machine";
                return Err(("stream", message.to_owned()));
            }
            if self.peers.is_none() {
                return Err(("peers", "is needed where there are several edges".to_owned()));
            }
            if !self.databases.0.contains_key(&self.regions.database) {
                return Err(("regions.database", "is not one of [databases]".to_owned()));
            }
        }
        self.internal.check()
    }
}

/// The patterns that routes are written as.
fn patterns(routes: &[String]) -> Result<Vec<Pattern>, String> {
    routes.iter().map(|route| Pattern::parse(route)).collect()
}

/// That a value is in its range.
fn within(key: &'static str, value: u64, low: u64, high: u64) -> Result<(), (&'static str, String)> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err((key, format!("is {value} and must be {low} to {high}")))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use std::path::Path;

    #[test]
    fn the_example_is_the_default() {
        let example = include_str!("../../../../edge-config/node.example.toml");
        let parsed = Config::parse(example, Path::new("node.example.toml")).expect("accepted");
        assert_eq!(format!("{parsed:#?}"), format!("{:#?}", Config::default()));
    }

    /// Each `golden/*.toml` is refused with exactly the text beside it.
    #[test]
    fn bad_files_are_refused_with_the_exact_message() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("the folder").map(|e| e.expect("an entry").path()) {
            if entry.extension().is_some_and(|e| e == "toml") {
                let text = std::fs::read_to_string(&entry).expect("read");
                let message = Config::parse(&text, Path::new("node.toml")).expect_err("refused").to_string();
                if std::env::var_os("PETWALKER_UPDATE").is_some() {
                    std::fs::write(entry.with_extension("err"), format!("{}\n", message.trim()))
                        .expect("written");
                }
                let expected = std::fs::read_to_string(entry.with_extension("err")).expect("the message");
                assert_eq!(message.trim(), expected.trim(), "{}", entry.display());
                seen += 1;
            }
        }
        assert!(seen >= 5, "only {seen} golden files");
    }
}
