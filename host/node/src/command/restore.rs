//! `edge restore`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::backup::{Sealing, credentials};
use super::{NodeFile, block_on};
use crate::backup::{self, Place, Restored, Wish, moment};
use crate::output::line;
use crate::{components, telemetry};

/// `edge restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "The node must not run, and nothing that is there is written over: move the old files away first. \
                        Beyond the backup, events are taken from the topic where the node file names one ([stream]), \
                        else from --log, else, for a moment, from the next later backup. docs/runbook.md tells it step \
                        by step."
)]
pub(super) struct Restore {
    /// Where backups are: a folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    from: String,
    /// The backup; without it the newest, or the newest before the moment
    #[arg(long, value_name = "ID")]
    backup: Option<String>,
    /// The moment to restore to, such as 2026-11-25T07:00:00Z: what happened after it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Restore the regions only, the other databases being well
    #[arg(long)]
    regions_only: bool,
    /// A region's file that was kept, whose events go on from the backup
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Only list the backups
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    sealing: Sealing,
    #[command(flatten)]
    node: NodeFile,
}

impl Restore {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let config = self.node.config()?;
        telemetry::start_log(&config.log)?;
        let place = Place::parse(&self.from, &credentials())?;
        if self.list {
            let found = block_on(async { Ok(place.backups().await?) })?;
            found.iter().for_each(line);
            return Ok(());
        }
        let wish = Wish {
            backup: self.backup.clone(),
            at_ms: self.at.as_deref().map(parse_moment).transpose()?,
            regions_only: self.regions_only,
            log: self.log.clone(),
        };
        let key = self.sealing.key()?;
        components::build_missing(&super::manifest(&config.node.manifest)?)?;
        let restored = block_on(backup::restore(&config, &place, key.as_ref(), &wish, |step| line(step)))?;
        report(&restored, wish.at_ms);
        Ok(())
    }
}

fn parse_moment(text: &str) -> anyhow::Result<i64> {
    let at: jiff::Timestamp = text.parse().with_context(|| {
        format!("'{text}' is no moment: write it as 2026-11-25T07:00:00Z, with its offset")
    })?;
    Ok(at.as_millisecond())
}

fn report(restored: &Restored, at_ms: Option<i64>) {
    line("");
    for (label, place) in &restored.databases {
        let made = moment(restored.backup.made_at_ms);
        line(format_args!("{label:<24}as of {made}, in {place}"));
    }
    for (region, restored) in &restored.regions {
        let last = restored.last.map_or_else(
            || format!("event {}", restored.copied),
            |(seq, at)| format!("event {seq} of {}", moment(at)),
        );
        line(format_args!("{region:<24}to {last}, in {}", restored.file.display()));
        if let Some(epoch) = restored.epoch {
            line(format_args!("{:<24}epoch {epoch} begun: later events of the log are left out", ""));
        }
    }
    if at_ms.is_some() {
        line("What events mean for money is worked out again when the node starts.");
    }
}

#[cfg(test)]
mod tests {
    use super::parse_moment;

    #[test]
    fn moments_have_an_offset() {
        assert_eq!(parse_moment("2025-11-24T16:00:00.007Z").expect("a moment"), 1_764_000_000_007);
        assert_eq!(parse_moment("2025-11-24T13:00:00-03:00").expect("a moment"), 1_764_000_000_000);
        assert!(parse_moment("2025-11-24 16:00").is_err());
    }
}
