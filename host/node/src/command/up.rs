//! `edge up`.

use clap::Args;

use super::{NodeFile, block_on, manifest, told_to_stop};
use crate::{Node, components, telemetry};

/// `edge up`.
#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    node: NodeFile,
    /// Build the components even where none is missing
    #[arg(long)]
    build: bool,
}

impl Up {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let config = self.node.config()?;
        telemetry::start_log(&config.log)?;
        let manifest = manifest(&config.node.manifest)?;
        if self.build {
            components::build(&manifest)?;
        } else {
            components::build_missing(&manifest)?;
        }
        block_on(async {
            let node = Node::start(&config).await?;
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            eprintln!(
                "{} serves {} on {scheme}://{}",
                config.node.name,
                node.app().name(),
                node.public_address()
            );
            eprintln!("health and metrics on http://{} — Ctrl-C stops", node.admin_address());
            eprintln!("\nin another terminal:");
            eprintln!("  curl -s {scheme}://{}/v1/hello", node.public_address());
            eprintln!(
                "  cargo edge demo --url {scheme}://{}    # a ride from sign-up to invoice",
                node.public_address()
            );
            eprintln!("  README.md has the rest: REST, GraphQL, sockets, several edges");
            told_to_stop().await?;
            eprintln!("stopping: finishing what was accepted");
            node.stop().await;
            Ok(())
        })
    }
}
