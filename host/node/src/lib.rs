//! An edge node: one binary, one manifest, one node file.
//!
//! [`Node::start`] puts the layers together; [`command`] is what the `edge` program does.

pub mod backup;
mod clock;
pub mod cluster;
pub mod command;
mod commons;
pub mod components;
pub mod config;
mod data;
pub mod demo;
mod edge;
mod epoch;
mod node;
mod output;
pub mod progress;
pub mod relay;
mod secrets;
pub mod telemetry;

pub use commons::Commons;
pub use config::{Config, ConfigError};
pub use node::{Node, StartError};

/// Chooses the TLS provider of this process, where nobody has. Two are linked, so one must be chosen before anything that
/// speaks TLS is made; the first choice holds.
pub fn choose_tls_provider() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("the TLS provider was chosen before");
    }
}
