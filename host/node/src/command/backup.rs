//! `edge backup`.

use std::path::PathBuf;

use clap::Args;

use super::{NodeFile, block_on};
use crate::backup::{self, Credentials, Key, Place, moment};
use crate::output::line;
use crate::telemetry;

/// `edge backup`.
#[derive(Debug, Args)]
#[command(
    after_help = "For a bucket, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed, AWS_REGION and AWS_ENDPOINT_URL \
                        where the store is not AWS's in us-east-1. A backup holds personal data: seal it with --key-file, \
                        or keep it where only those come who may read the databases."
)]
pub(super) struct Backup {
    /// Where to: a folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    to: String,
    #[command(flatten)]
    sealing: Sealing,
    #[command(flatten)]
    node: NodeFile,
}

/// What a backup is sealed with.
#[derive(Debug, Args)]
pub(super) struct Sealing {
    /// A file with the key that the backup is sealed with: 64 hexadecimal digits
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Sealing {
    pub(super) fn key(&self) -> anyhow::Result<Option<Key>> {
        self.key_file.as_deref().map(Key::read).transpose()
    }
}

/// What a store wants to know, as everything that speaks to S3 is told.
pub(super) fn credentials() -> Credentials {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Credentials {
        endpoint: variable("AWS_ENDPOINT_URL"),
        region: variable("AWS_REGION"),
        key: variable("AWS_ACCESS_KEY_ID"),
        secret: variable("AWS_SECRET_ACCESS_KEY"),
    }
}

impl Backup {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let config = self.node.config()?;
        telemetry::start_log(&config.log)?;
        let (place, key) = (Place::parse(&self.to, &credentials())?, self.sealing.key()?);
        let tell = |name: &str, bytes: u64| line(format_args!("{name:<24}{:>10} KiB", bytes.div_ceil(1024)));
        let made = block_on(backup::make(&config, &place, key.as_ref(), tell))?;
        for (region, copy) in &made.regions {
            line(format_args!("{region:<24}to event {} of epoch {}", copy.seq, copy.epoch));
        }
        line(format_args!("backup {} is in {place}, made {}", made.id, moment(made.made_at_ms)));
        Ok(())
    }
}
