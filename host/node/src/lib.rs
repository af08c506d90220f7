//! An edge node: one binary, one manifest, one node file.
//!
//! [`Node::start`] puts the layers together; [`command`] is what the `edge` program does.

pub mod cluster;
pub mod command;
mod commons;
pub mod components;
pub mod config;
mod data;
pub mod demo;
mod edge;
mod node;
mod output;
mod secrets;
pub mod telemetry;

pub use commons::Commons;
pub use config::{Config, ConfigError};
pub use node::{Node, StartError};
