//! `cargo load`: the node beside a native server that does the same, in turn, in one run.
//!
//! What is gated is CPU time per request of the server: user and system time are what noise moves least.

mod abuse;
mod bars;
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

use self::bars::Bars;

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
    /// One hostile client at a time: what everybody else notices, and memory given back
    Abuse(Length),
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

impl Cli {
    async fn run(self) -> anyhow::Result<()> {
        let mut bars = Bars::default();
        match self.scenario {
            Scenario::Native { data } => return native::serve(&data).await,
            Scenario::Hello(length) => report::run(&["hello"], length.seconds(), &mut bars).await?,
            Scenario::Read(length) => report::run(&["read"], length.seconds(), &mut bars).await?,
            Scenario::Nearest(length) => report::run(&["nearest"], length.seconds(), &mut bars).await?,
            Scenario::Ride(length) => report::run(&["ride"], length.seconds(), &mut bars).await?,
            Scenario::Track(length) => track::run(length.seconds(), &mut bars).await?,
            Scenario::Live(length) => live::run(length.seconds(), &mut bars).await?,
            Scenario::Stream(length) => stream::run(length.seconds(), &mut bars).await?,
            Scenario::Edges(length) => edges::run(length.seconds(), &mut bars).await?,
            Scenario::Abuse(length) => abuse::run(length.seconds(), &mut bars).await?,
            Scenario::All(length) => {
                let all = ["hello", "read", "nearest", "ride"];
                report::run(&all, length.seconds(), &mut bars).await?;
                track::run(length.seconds(), &mut bars).await?;
                live::run(length.seconds(), &mut bars).await?;
                stream::run(length.seconds(), &mut bars).await?;
                edges::run(length.seconds(), &mut bars).await?;
            }
        }
        bars.verdict()
    }
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    edge_node::choose_tls_provider();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli.run()));
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
