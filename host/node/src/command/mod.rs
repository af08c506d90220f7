//! The command line.

mod backup;
mod build;
mod check;
mod cluster;
mod demo;
mod hand_over;
mod migrate;
mod relay;
mod restore;
mod up;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use edge_runtime::Manifest;

use crate::config::Config;

/// Runs a PetWalker edge node.
#[derive(Debug, Parser)]
#[command(name = "edge", version, about = "Runs a PetWalker edge node", propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build what is missing, migrate the databases, and serve until Ctrl-C
    Up(up::Up),
    /// Build the components with the manifest's own commands
    Build(NodeFile),
    /// Bring the databases to the schema of this release
    Migrate(NodeFile),
    /// Check manifest, node file and databases, and print what is wrong
    Check(NodeFile),
    /// Compare a region's owner with its standbys, byte for byte; or a node's events with its topic, record by record
    Verify(verify::Verify),
    /// Start several edges on this machine, until Ctrl-C
    Cluster(cluster::Start),
    /// Show the regions, their owners, epochs and lags, as a running node sees them
    Status(hand_over::Status),
    /// Hand a region over from the node that owns it to another edge
    HandOver(hand_over::HandOver),
    /// Copy the databases, as they are at this moment, to a folder or an S3-compatible store; the node may run meanwhile
    Backup(backup::Backup),
    /// Restore the databases from a backup, and what the log holds beyond it: all of it, or up to a moment
    Restore(restore::Restore),
    /// Do what a node does around the components for an application that stock Spin serves: consumers, timers, stream
    Relay(relay::Relay),
    /// Take a ride from sign-up to invoice, and check every figure
    Demo(demo::Demo),
}

/// Which node.
#[derive(Debug, Args)]
struct NodeFile {
    /// The node file; without it the defaults of edge-config/node.example.toml hold
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
}

impl NodeFile {
    fn config(&self) -> anyhow::Result<Config> {
        match &self.node {
            Some(path) => Ok(Config::load(path)?),
            None => Ok(Config::default()),
        }
    }
}

fn manifest(path: &Path) -> anyhow::Result<Manifest> {
    Ok(Manifest::load(path)?)
}

impl Cli {
    /// Carries out the command.
    ///
    /// # Errors
    /// What went wrong, and where.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Up(up) => up.run(),
            Command::Build(node) => build::run(&node),
            Command::Migrate(node) => block_on(migrate::run(&node)),
            Command::Check(node) => block_on(check::run(&node)),
            Command::Verify(verify) => verify.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Status(status) => status.run(),
            Command::HandOver(wish) => wish.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Relay(relay) => relay.run(),
            Command::Demo(demo) => demo.run(),
        }
    }
}

/// Waits until this process is interrupted or terminated.
async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(work)
}
