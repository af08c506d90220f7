//! `edge demo`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::{block_on, manifest};
use crate::cluster::{Cluster, ClusterOptions};
use crate::config::Config;
use crate::{components, demo};

/// `edge demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// A node that runs already; without it one is started in a temporary folder
    #[arg(long)]
    url: Option<String>,
    /// The file with the code by which operators sign up at `--url`, since one approves the walkers; without it that of
    /// the default node file, where the node runs on this machine
    #[arg(long, value_name = "FILE", requires = "url")]
    operator_code_file: Option<PathBuf>,
    /// Start so many edges, and kill the one that owns the ride during the walk
    #[arg(long, value_name = "EDGES", conflicts_with = "url")]
    cluster: Option<u16>,
    /// For the cluster: a Fluvio cluster's controller, host and port
    #[arg(long, value_name = "HOST:PORT", requires = "cluster")]
    fluvio: Option<String>,
    /// For the cluster: copies of each record in the Fluvio cluster
    #[arg(long, default_value_t = 1, requires = "fluvio")]
    replicas: u32,
    /// For the cluster: a libSQL server for the global database
    #[arg(long, value_name = "URL", requires = "cluster")]
    libsql: Option<String>,
    /// Walkers to put in the city: 200, or 40 on a node that runs already, whose limits on sign-ups hold
    #[arg(long)]
    walkers: Option<u32>,
}

impl Demo {
    fn walkers(&self) -> u32 {
        self.walkers.unwrap_or(if self.url.is_some() { 40 } else { 200 })
    }

    pub(super) fn run(&self) -> anyhow::Result<()> {
        match self.cluster {
            Some(edges) => self.through_a_cluster(edges),
            None => {
                let target = self.target()?;
                block_on(demo::run(target, self.walkers()))
            }
        }
    }

    fn target(&self) -> anyhow::Result<Option<demo::Target>> {
        let Some(url) = self.url.clone() else { return Ok(None) };
        let file = match &self.operator_code_file {
            Some(file) => Some(file.clone()),
            None => {
                let here = is_of_this_machine(&url)?;
                Some(Config::default().node.data.join("secrets/operator_code"))
                    .filter(|file| here && file.exists())
            }
        };
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file)
                .with_context(|| format!("the operators' code cannot be read from {}", file.display()))
        };
        let operator_code = file.as_ref().map(read).transpose()?.map(|code| code.trim().to_owned());
        Ok(Some(demo::Target { url, operator_code }))
    }

    fn through_a_cluster(&self, edges: u16) -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut config = Config::default().with_generous_limits();
        components::build_missing(&manifest(&config.node.manifest)?)?;
        config.internal.tick_interval_ms = 200;
        demo::replay(&mut config);
        let options = ClusterOptions {
            edges,
            data: folder.path().to_owned(),
            port: None,
            fluvio: self.fluvio.clone(),
            replicas: self.replicas,
            libsql: self.libsql.clone(),
            lease_ttl: Duration::from_secs(5),
        };
        let cluster = Cluster::start(&options, &config)?;
        let (left, outcome) = block_on(async { Ok(demo::run_through(cluster, self.walkers()).await) })?;
        if let Some(cluster) = left {
            cluster.stop();
        }
        outcome
    }
}

/// Whether a URL's host is this machine, which the operators' code of its own node may be sent to.
fn is_of_this_machine(url: &str) -> anyhow::Result<bool> {
    let parsed: reqwest::Url = url.parse().with_context(|| format!("'{url}' is no URL"))?;
    Ok(matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")))
}

#[cfg(test)]
mod tests {
    use super::is_of_this_machine;

    #[test]
    fn a_host_is_this_machine_by_its_whole_name() {
        for (url, expected) in [
            ("http://127.0.0.1:3000", true),
            ("https://localhost", true),
            ("http://[::1]:3000/", true),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example:3000", false),
            ("http://localhost@example.org", false),
            ("http://example.org/?next=http://localhost", false),
        ] {
            assert_eq!(is_of_this_machine(url).expect(url), expected, "{url}");
        }
        assert!(is_of_this_machine("localhost").is_err(), "a name alone is no URL");
    }
}
