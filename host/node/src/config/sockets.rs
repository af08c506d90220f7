//! `[sockets]`.

use std::time::Duration;

use edge_delivery::SocketOptions;
use serde::Deserialize;

use super::{patterns, within};

/// `[sockets]`: which paths take WebSockets, and the internal paths they turn into.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketSettings {
    /// Begins the names of the subprotocols; `.json` and `.msgpack` are added.
    pub protocol: String,
    /// Paths whose clients send frames, written as routes of `spin.toml`.
    pub send: Vec<String>,
    /// Paths whose clients are told news.
    pub watch: Vec<String>,
    /// Paths whose clients speak `graphql-transport-ws`.
    pub subscribe: Vec<String>,
    /// Posted once a socket: may the client have it?
    pub open_path: String,
    /// Posted with the frames of many sockets.
    pub take_path: String,
    /// Posted with a key and a cursor: what is new?
    pub read_path: String,
    /// Posted with an operation: its first or next step.
    pub subscribe_path: String,
    /// How long the first frame of a batch waits for others, milliseconds, 0 to 1000.
    pub gather_ms: u64,
    /// Sockets open at once, 1 to 1000000.
    pub sockets_max: usize,
    /// Those of one address (of IPv6, of one /64) among them, 1 to 1000000.
    pub sockets_per_address_max: usize,
    /// Those of one account, 1 to 1000000.
    pub sockets_per_account_max: usize,
    /// Bytes of one frame, KiB, 1 to 2048.
    pub frame_kib: usize,
    /// Between pings, milliseconds, 100 to 600000. A client silent from one to the next is given up.
    pub ping_interval_ms: u64,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            protocol: "petwalker.v1".to_owned(),
            send: vec!["/v1/rides/:id/track".to_owned()],
            watch: vec!["/v1/rides/:id/live".to_owned()],
            subscribe: vec!["/graphql".to_owned()],
            open_path: "sockets".to_owned(),
            take_path: "track".to_owned(),
            read_path: "live".to_owned(),
            subscribe_path: "subscriptions".to_owned(),
            gather_ms: 2,
            sockets_max: 20_000,
            sockets_per_address_max: 128,
            sockets_per_account_max: 32,
            frame_kib: 256,
            ping_interval_ms: 30_000,
        }
    }
}

impl SocketSettings {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if self.protocol.is_empty() || !self.protocol.bytes().all(token) {
            let message = format!("'{}' must be letters, digits, '-', '.' and '_'", self.protocol);
            return Err(("sockets.protocol", message));
        }
        patterns(&self.send).map_err(|message| ("sockets.send", message))?;
        patterns(&self.watch).map_err(|message| ("sockets.watch", message))?;
        patterns(&self.subscribe).map_err(|message| ("sockets.subscribe", message))?;
        within("sockets.gather_ms", self.gather_ms, 0, 1_000)?;
        within("sockets.sockets_max", self.sockets_max as u64, 1, 1_000_000)?;
        let (per_address, per_account) = (self.sockets_per_address_max, self.sockets_per_account_max);
        within("sockets.sockets_per_address_max", per_address as u64, 1, 1_000_000)?;
        within("sockets.sockets_per_account_max", per_account as u64, 1, 1_000_000)?;
        within("sockets.frame_kib", self.frame_kib as u64, 1, 2_048)?;
        within("sockets.ping_interval_ms", self.ping_interval_ms, 100, 600_000)
    }

    /// As the bridge takes them; none where no path takes sockets.
    pub(crate) fn options(&self) -> Option<SocketOptions> {
        // Checked when the file was read.
        let (send, watch) = (patterns(&self.send).ok()?, patterns(&self.watch).ok()?);
        let subscribe = patterns(&self.subscribe).ok()?;
        if send.is_empty() && watch.is_empty() && subscribe.is_empty() {
            return None;
        }
        Some(SocketOptions {
            protocol: self.protocol.clone(),
            send,
            watch,
            subscribe,
            open_path: self.open_path.clone(),
            take_path: self.take_path.clone(),
            read_path: self.read_path.clone(),
            subscribe_path: self.subscribe_path.clone(),
            gather: Duration::from_millis(self.gather_ms),
            limits: edge_delivery::sockets::Limits {
                sockets_max: self.sockets_max,
                per_address_max: self.sockets_per_address_max,
                per_account_max: self.sockets_per_account_max,
                frame_bytes_max: self.frame_kib << 10,
                ping_interval: Duration::from_millis(self.ping_interval_ms),
            },
        })
    }
}
