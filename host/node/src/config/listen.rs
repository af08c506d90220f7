//! `[listen]` and `[tls]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use edge_delivery::ConnectionLimits;
use edge_delivery::throttle::{Network, Proxies};
use serde::Deserialize;

use super::within;

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
    /// How long clients are still let in at shutdown after `/readyz` has said that the node is not ready, milliseconds.
    pub shutdown_notice_ms: u64,
    /// How long open requests may take at shutdown, milliseconds.
    pub shutdown_grace_ms: u64,
    /// Connections of clients open at once, 1 to 1000000, and never more than 60 % of the process's file descriptors.
    pub connections_max: usize,
    /// Those of one address (of IPv6, of one /64) among them, 1 to 1000000; trusted proxies have no limit of their own.
    pub connections_per_address_max: usize,
    /// A connection without a request under way is closed after so long, milliseconds, 100 to 3600000.
    pub idle_timeout_ms: u64,
    /// A connection is closed whose client reads nothing of an answer for so long, milliseconds, 100 to 3600000.
    pub write_timeout_ms: u64,
    /// Proxies whose word about a client's address is believed: addresses, and ranges such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<String>,
    /// The header in which they tell it, `x-forwarded-for` or `forwarded`. The other is not read.
    pub proxy_header: String,
    /// Pages of which origin may read the problems that the node itself answers: `*`, one origin, or empty for none.
    pub cors_origin: String,
    /// What `/readyz` asks the components: a path that they answer with success to anybody; empty for nothing.
    pub ready_path: String,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 3000)),
            admin: SocketAddr::from(([127, 0, 0, 1], 3001)),
            admin_hosts: Vec::new(),
            shutdown_notice_ms: 250,
            shutdown_grace_ms: 10_000,
            connections_max: 20_000,
            connections_per_address_max: 256,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 30_000,
            trusted_proxies: Vec::new(),
            proxy_header: "x-forwarded-for".to_owned(),
            cors_origin: "*".to_owned(),
            ready_path: "/v1/hello".to_owned(),
        }
    }
}

impl Listen {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("listen.connections_max", self.connections_max as u64, 1, 1_000_000)?;
        let per_address = self.connections_per_address_max as u64;
        within("listen.connections_per_address_max", per_address, 1, 1_000_000)?;
        within("listen.idle_timeout_ms", self.idle_timeout_ms, 100, 3_600_000)?;
        within("listen.write_timeout_ms", self.write_timeout_ms, 100, 3_600_000)?;
        self.networks().map_err(|message| ("listen.trusted_proxies", message))?;
        if !["x-forwarded-for", "forwarded"].contains(&self.proxy_header.as_str()) {
            let message = format!("'{}' must be x-forwarded-for or forwarded", self.proxy_header);
            return Err(("listen.proxy_header", message));
        }
        if http::HeaderValue::from_str(&self.cors_origin).is_err() {
            return Err(("listen.cors_origin", format!("'{}' must be '*' or an origin", self.cors_origin)));
        }
        let is_path = self.ready_path.is_empty()
            || self.ready_path.starts_with('/') && self.ready_path.parse::<http::uri::PathAndQuery>().is_ok();
        if is_path {
            Ok(())
        } else {
            Err(("listen.ready_path", format!("'{}' must be a path", self.ready_path)))
        }
    }

    fn networks(&self) -> Result<Vec<Network>, String> {
        self.trusted_proxies.iter().map(|network| network.parse()).collect()
    }

    /// Whose word about addresses is believed.
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies {
            // Checked when the file was read, as the header's name was.
            trusted: self.networks().unwrap_or_default(),
            header: self.proxy_header.parse().unwrap_or(http::header::FORWARDED),
        }
    }

    /// Pages of which origin may read the node's own problems.
    pub(crate) fn cors_origin(&self) -> Option<http::HeaderValue> {
        let origin = Some(&self.cors_origin).filter(|origin| !origin.is_empty())?;
        http::HeaderValue::from_str(origin).ok()
    }

    /// What `/readyz` asks the components.
    pub(crate) fn ready_path(&self) -> Option<String> {
        Some(self.ready_path.clone()).filter(|path| !path.is_empty())
    }

    /// Limits of the public listener, where the process may have so many descriptors open.
    pub(crate) fn connections(&self, descriptors: Option<u64>) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: edge_delivery::descriptors::connections(self.connections_max, descriptors),
            per_address_max: self.connections_per_address_max,
            exempt: self.proxies().trusted,
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            write_timeout: Duration::from_millis(self.write_timeout_ms),
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
