//! `edge demo`.

use clap::Args;

use super::block_on;
use crate::demo;

/// `edge demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// A node that runs already; without it one is started in a temporary folder
    #[arg(long)]
    url: Option<String>,
    /// Walkers to put in the city
    #[arg(long, default_value_t = 200)]
    walkers: u32,
}

impl Demo {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        block_on(demo::run(self.url.as_deref(), self.walkers))
    }
}
