//! `[listen]` and `[tls]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// `[listen]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Where clients come in.
    pub public: SocketAddr,
    /// Where health and metrics are answered.
    pub admin: SocketAddr,
    /// How long clients are still let in at shutdown after `/readyz` has said that the node is not ready, milliseconds.
    pub shutdown_notice_ms: u64,
    /// How long open requests may take at shutdown, milliseconds.
    pub shutdown_grace_ms: u64,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 3000)),
            admin: SocketAddr::from(([127, 0, 0, 1], 3001)),
            shutdown_notice_ms: 250,
            shutdown_grace_ms: 10_000,
        }
    }
}

/// `[tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the key.
    pub key: PathBuf,
}
