//! `[limits]`.

use std::time::Duration;

use serde::Deserialize;

use super::within;

/// `[limits]`: what each component may use, and what a client may send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Memory of one instance, MiB, 8 to 1024.
    pub memory_mib: usize,
    /// Time for one request, milliseconds, 10 to 600000.
    pub request_timeout_ms: u64,
    /// How long an idle instance is kept, milliseconds.
    pub idle_timeout_ms: u64,
    /// Requests under way in one component, 1 to 10000.
    pub concurrent_requests: usize,
    /// Requests under way in one instance, 1 to 1000.
    pub requests_per_instance: usize,
    /// Bytes of a request's body, KiB.
    pub body_kib: usize,
    /// Paths that take larger bodies, written as routes of `spin.toml`.
    pub upload_paths: Vec<String>,
    /// Bytes of a body there, KiB.
    pub upload_kib: usize,
    /// Time for one SQL statement, milliseconds, 10 to 600000.
    pub statement_timeout_ms: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            memory_mib: 128,
            request_timeout_ms: 30_000,
            idle_timeout_ms: 30_000,
            concurrent_requests: 256,
            requests_per_instance: 16,
            body_kib: 1024,
            upload_paths: vec!["/v1/rides/:id/marks/:mark/photo".to_owned()],
            upload_kib: 8192,
            statement_timeout_ms: 5_000,
        }
    }
}

impl LimitSettings {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("limits.memory_mib", self.memory_mib as u64, 8, 1024)?;
        within("limits.request_timeout_ms", self.request_timeout_ms, 10, 600_000)?;
        within("limits.statement_timeout_ms", self.statement_timeout_ms, 10, 600_000)?;
        within("limits.concurrent_requests", self.concurrent_requests as u64, 1, 10_000)?;
        within("limits.requests_per_instance", self.requests_per_instance as u64, 1, 1_000)?;
        within("limits.body_kib", self.body_kib as u64, 1, 1 << 20)?;
        within("limits.upload_kib", self.upload_kib as u64, 1, 1 << 20)?;
        super::patterns(&self.upload_paths).map(drop).map_err(|message| ("limits.upload_paths", message))
    }

    /// As the public listener takes them.
    pub(crate) fn public(&self) -> edge_delivery::PublicLimits {
        edge_delivery::PublicLimits {
            body_bytes_max: self.body_kib << 10,
            // Checked when the file was read.
            upload_paths: super::patterns(&self.upload_paths).unwrap_or_default(),
            upload_bytes_max: self.upload_kib << 10,
        }
    }

    /// As the pools of databases take them.
    pub(crate) fn pool(&self) -> edge_data::PoolOptions {
        edge_data::PoolOptions {
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
            ..edge_data::PoolOptions::default()
        }
    }

    /// As the runtime takes them.
    #[must_use]
    pub fn runtime(&self) -> edge_runtime::Limits {
        edge_runtime::Limits {
            memory_bytes_max: self.memory_mib << 20,
            request_timeout: Duration::from_millis(self.request_timeout_ms),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            concurrent_requests_max: self.concurrent_requests,
            requests_per_instance_max: self.requests_per_instance,
            ..edge_runtime::Limits::default()
        }
    }
}
