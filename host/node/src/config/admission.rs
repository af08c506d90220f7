//! `[admission]`.

use std::time::Duration;

use edge_delivery::{BodyLimits, WaitLimits, WaitOptions};
use edge_runtime::IsolationOptions;
use serde::Deserialize;

use super::{LimitSettings, patterns, within};

/// `[admission]`: what is asked of components beside clients' requests, and what clients may hold without one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionSection {
    /// Requests of the node itself (events, timers, frames) under way in one component, 1 to 10000. They are not taken
    /// from `limits.concurrent_requests`.
    pub internal_requests: usize,
    /// Requests for held clients (waits, event streams, sockets' handshakes and operations) under way in one component,
    /// 1 to 10000; more queue.
    pub held_requests: usize,
    /// How long an instance of a component is used, milliseconds, 1000 to 86400000.
    pub instance_lifetime_ms: u64,
    /// Time for the first byte of a body, milliseconds, 10 to 600000.
    pub body_first_byte_ms: u64,
    /// Bytes a second of a body, looked at over 5 s, 1 to 1048576; a slower one is refused.
    pub body_bytes_per_s_min: usize,
    /// Memory of all bodies of up to 64 KiB that are being read, MiB, 1 to 4096.
    pub small_bodies_mib: usize,
    /// Memory of all larger bodies that are being read, MiB, 1 to 65536. One address gets a quarter.
    pub large_bodies_mib: usize,
    /// Which requests may wait, and how many.
    pub waits: WaitSettings,
    /// Requests that share no instance with others.
    pub isolated: Vec<IsolatedRoutes>,
}

/// `[admission.waits]`: requests that the node holds until there is news.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaitSettings {
    /// Routes whose GET requests may wait, written as routes of `spin.toml`.
    pub routes: Vec<String>,
    /// Answers of one account that wait at once, 1 to 100000.
    pub polls_per_account: usize,
    /// Answers to one address that wait at once, 1 to 100000.
    pub polls_per_address: usize,
    /// Event streams of one account, 1 to 100000.
    pub streams_per_account: usize,
    /// Event streams to one address, 1 to 100000.
    pub streams_per_address: usize,
    /// Both together, of everybody, 1 to 1000000.
    pub held_max: usize,
    /// How long an answer waits at most, milliseconds, 0 to 600000.
    pub poll_ms_max: u64,
    /// How long an event stream lasts at most, milliseconds, 1000 to 86400000.
    pub stream_ms_max: u64,
    /// Between two comments on an event stream without news, milliseconds, 100 to 600000.
    pub heartbeat_ms: u64,
}

/// `[[admission.isolated]]`: each of these requests has an instance to itself while it is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolatedRoutes {
    /// Name of the group, in metrics.
    pub name: String,
    /// The routes, written as in `spin.toml`.
    pub routes: Vec<String>,
    /// Requests under way at once, 1 to 1000.
    pub requests: usize,
    /// Requests of clients that queue, 0 to 100000; more are refused.
    pub queue: usize,
}

impl Default for AdmissionSection {
    fn default() -> Self {
        Self {
            internal_requests: 32,
            held_requests: 16,
            instance_lifetime_ms: 30_000,
            body_first_byte_ms: 10_000,
            body_bytes_per_s_min: 1_024,
            small_bodies_mib: 32,
            large_bodies_mib: 128,
            waits: WaitSettings::default(),
            isolated: vec![
                IsolatedRoutes {
                    name: "documents".to_owned(),
                    routes: vec!["/graphql".to_owned(), "/internal/subscriptions".to_owned()],
                    requests: 8,
                    queue: 128,
                },
                IsolatedRoutes {
                    name: "exports".to_owned(),
                    routes: ["", ".gpx", ".geojson", ".polylines"]
                        .map(|format| format!("/v1/rides/:id/route{format}"))
                        .to_vec(),
                    requests: 2,
                    queue: 128,
                },
            ],
        }
    }
}

impl Default for WaitSettings {
    fn default() -> Self {
        Self {
            routes: vec!["/v1/rides/:id/live".to_owned()],
            polls_per_account: 8,
            polls_per_address: 256,
            streams_per_account: 32,
            streams_per_address: 1_024,
            held_max: 20_000,
            poll_ms_max: 25_000,
            stream_ms_max: 600_000,
            heartbeat_ms: 15_000,
        }
    }
}

impl AdmissionSection {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("admission.internal_requests", self.internal_requests as u64, 1, 10_000)?;
        within("admission.held_requests", self.held_requests as u64, 1, 10_000)?;
        within("admission.instance_lifetime_ms", self.instance_lifetime_ms, 1_000, 86_400_000)?;
        within("admission.body_first_byte_ms", self.body_first_byte_ms, 10, 600_000)?;
        within("admission.body_bytes_per_s_min", self.body_bytes_per_s_min as u64, 1, 1 << 20)?;
        within("admission.small_bodies_mib", self.small_bodies_mib as u64, 1, 4_096)?;
        within("admission.large_bodies_mib", self.large_bodies_mib as u64, 1, 65_536)?;
        for group in &self.isolated {
            patterns(&group.routes).map_err(|message| ("admission.isolated.routes", message))?;
            within("admission.isolated.requests", group.requests as u64, 1, 1_000)?;
            within("admission.isolated.queue", group.queue as u64, 0, 100_000)?;
        }
        self.waits.check()
    }

    /// As the reader of bodies takes them.
    pub(crate) fn bodies(&self, limits: &LimitSettings) -> BodyLimits {
        BodyLimits {
            first_byte_timeout: Duration::from_millis(self.body_first_byte_ms),
            bytes_per_second_min: self.body_bytes_per_s_min,
            small_bytes_max: self.small_bodies_mib << 20,
            large_bytes_max: self.large_bodies_mib << 20,
            timeout: Duration::from_millis(limits.request_timeout_ms),
        }
    }

    /// As the runtime takes them, on top of `limits`.
    pub(crate) fn runtime(&self, limits: &LimitSettings) -> edge_runtime::Limits {
        edge_runtime::Limits {
            internal_requests_max: self.internal_requests,
            held_requests_max: self.held_requests,
            instance_lifetime: Duration::from_millis(self.instance_lifetime_ms),
            ..limits.runtime()
        }
    }

    /// The routes that share no instance with others.
    pub(crate) fn isolation(&self) -> Vec<IsolationOptions> {
        let group = |group: &IsolatedRoutes| IsolationOptions {
            name: group.name.clone(),
            // Checked when the file was read.
            routes: patterns(&group.routes).unwrap_or_default(),
            requests_max: group.requests,
            queue_max: group.queue,
        };
        self.isolated.iter().map(group).collect()
    }
}

impl WaitSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        patterns(&self.routes).map_err(|message| ("admission.waits.routes", message))?;
        for (key, value) in [
            ("admission.waits.polls_per_account", self.polls_per_account),
            ("admission.waits.polls_per_address", self.polls_per_address),
            ("admission.waits.streams_per_account", self.streams_per_account),
            ("admission.waits.streams_per_address", self.streams_per_address),
        ] {
            within(key, value as u64, 1, 100_000)?;
        }
        within("admission.waits.held_max", self.held_max as u64, 1, 1_000_000)?;
        within("admission.waits.poll_ms_max", self.poll_ms_max, 0, 600_000)?;
        within("admission.waits.stream_ms_max", self.stream_ms_max, 1_000, 86_400_000)?;
        within("admission.waits.heartbeat_ms", self.heartbeat_ms, 100, 600_000)
    }

    /// As the holder of waits takes them.
    pub(crate) fn options(&self) -> WaitOptions {
        WaitOptions {
            // Checked when the file was read.
            routes: patterns(&self.routes).unwrap_or_default(),
            limits: WaitLimits {
                polls_per_viewer: self.polls_per_account,
                polls_per_address: self.polls_per_address,
                streams_per_viewer: self.streams_per_account,
                streams_per_address: self.streams_per_address,
                held_max: self.held_max,
                poll_max: Duration::from_millis(self.poll_ms_max),
                stream_max: Duration::from_millis(self.stream_ms_max),
                heartbeat: Duration::from_millis(self.heartbeat_ms),
            },
        }
    }
}
