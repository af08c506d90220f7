//! `edge cluster`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{NodeFile, block_on, manifest, told_to_stop};
use crate::cluster::{Cluster, ClusterOptions};
use crate::output::line;
use crate::{components, telemetry};

/// `edge cluster`.
#[derive(Debug, Args)]
pub(super) struct Start {
    #[command(flatten)]
    node: NodeFile,
    /// Edges to start, 2 to 9
    #[arg(long, default_value_t = 3)]
    edges: u16,
    /// The folder of all data
    #[arg(long, default_value = "data/cluster")]
    data: PathBuf,
    /// The first edge's port; its admin port is the next, the other edges' are ten apart
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// A Fluvio cluster's controller, host and port; without it the streams are files
    #[arg(long, value_name = "HOST:PORT")]
    fluvio: Option<String>,
    /// Copies of each record in the Fluvio cluster
    #[arg(long, default_value_t = 1)]
    replicas: u32,
    /// A libSQL server for the global database; without it the edges share a file
    #[arg(long, value_name = "URL")]
    libsql: Option<String>,
    /// How long an edge's lease lasts, milliseconds
    #[arg(long, default_value_t = 5_000)]
    lease_ttl_ms: u64,
}

impl Start {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let config = self.node.config()?;
        telemetry::start_log(&config.log)?;
        components::build_missing(&manifest(&config.node.manifest)?)?;
        let options = ClusterOptions {
            edges: self.edges,
            data: self.data.clone(),
            port: Some(self.port),
            fluvio: self.fluvio.clone(),
            replicas: self.replicas,
            libsql: self.libsql.clone(),
            lease_ttl: Duration::from_millis(self.lease_ttl_ms),
        };
        let cluster = Cluster::start(&options, &config)?;
        for (name, url, admin) in cluster.edges() {
            line(format_args!("{name}  {url}  health, metrics and /status on {admin}"));
        }
        line(format_args!(
            "the operators' token is in {}",
            self.data.join("secrets").join("admin_token").display()
        ));
        line(format_args!("certificates and data in {} — Ctrl-C stops all", self.data.display()));
        block_on(told_to_stop())?;
        eprintln!("stopping: finishing what was accepted");
        cluster.stop();
        Ok(())
    }
}
