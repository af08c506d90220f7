//! `cargo load`: the node beside a native server that does the same, in turn, in one run.
//!
//! What is gated is CPU time per request of the server: user and system time are what noise moves least.

mod drive;
mod edges;
mod live;
mod native;
mod prepare;
mod redis;
mod report;
mod server;
mod socket;
mod sql;
mod stream;
mod track;
mod walks;

use clap::{Parser, Subcommand};

/// Measures the node beside a native server that runs the same statements.
#[derive(Debug, Parser)]
#[command(name = "load", version, about)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// GET /v1/hello: what a request costs before it does anything
    Hello(Length),
    /// GET a ride: token, one region read, JSON
    Read(Length),
    /// The ten nearest of 100,000 walkers, at full load and at half of it
    Nearest(Length),
    /// Request a ride: the whole write path, its commit on disk
    Ride(Length),
    /// Points sent over sockets and stored, beside a native writer and Redis
    Track(Length),
    /// From a walker's phone to the tutor's map, and the memory of 10,000 idle watchers
    Live(Length),
    /// A backlog published to a Fluvio cluster, and acknowledgements by its every replica
    Stream(Length),
    /// Several edges: forwarding, the owner killed, and reads while a replica syncs
    Edges(Length),
    /// Everything, with start time and memory, and the gates
    All(Length),
    /// The native server (started by the scenarios)
    #[command(hide = true)]
    Native {
        /// Folder of the prepared databases
        #[arg(long)]
        data: std::path::PathBuf,
    },
}

/// How long.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Length {
    /// Two seconds a measurement instead of eight
    #[arg(long)]
    quick: bool,
}

impl Length {
    const fn seconds(self) -> u64 {
        if self.quick { 2 } else { 8 }
    }
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    edge_node::choose_tls_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.scenario {
            Scenario::Native { data } => native::serve(&data).await,
            Scenario::Hello(length) => report::run(&["hello"], length.seconds()).await,
            Scenario::Read(length) => report::run(&["read"], length.seconds()).await,
            Scenario::Nearest(length) => report::run(&["nearest"], length.seconds()).await,
            Scenario::Ride(length) => report::run(&["ride"], length.seconds()).await,
            Scenario::Track(length) => track::run(length.seconds()).await,
            Scenario::Live(length) => live::run(length.seconds()).await,
            Scenario::Stream(length) => stream::run(length.seconds()).await,
            Scenario::Edges(length) => edges::run(length.seconds()).await,
            Scenario::All(length) => {
                report::run(&["hello", "read", "nearest", "ride"], length.seconds()).await?;
                track::run(length.seconds()).await?;
                live::run(length.seconds()).await?;
                stream::run(length.seconds()).await?;
                edges::run(length.seconds()).await
            }
        }
    })
}
