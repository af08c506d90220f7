//! The `edge` program.

use clap::Parser as _;
use edge_node::command::Cli;

/// Requests make and drop many small things on whichever thread is free, which the system's allocator answers with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Two libraries bring a TLS provider each; the first to be installed serves both.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("a TLS provider was installed before the program started");
        return std::process::ExitCode::FAILURE;
    }
    match Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
