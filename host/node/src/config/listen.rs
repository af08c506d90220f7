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
    /// Where health and metrics are answered, and operators' wishes with the token in `secrets/admin_token`.
    pub admin: SocketAddr,
    /// Names under which the admin listener may be asked, beside addresses and `localhost`.
    pub admin_hosts: Vec<String>,
    /// How long open requests may take at shutdown, milliseconds.
    pub shutdown_grace_ms: u64,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 3000)),
            admin: SocketAddr::from(([127, 0, 0, 1], 3001)),
            admin_hosts: Vec::new(),
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
