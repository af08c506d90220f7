//! An edge node: one binary, one manifest, one node file.
//!
//! [`Node::start`] puts the layers together; [`command`] is what the `edge` program does.

pub mod command;
pub mod components;
pub mod config;
mod data;
pub mod demo;
mod node;
mod output;
mod secrets;
pub mod telemetry;

pub use config::{Config, ConfigError};
pub use node::{Node, StartError};
