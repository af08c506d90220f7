//! `edge migrate`.

use super::{NodeFile, manifest};
use crate::data::open_data;
use crate::output::line;

pub(super) async fn run(node: &NodeFile) -> anyhow::Result<()> {
    let config = node.config()?;
    let manifest = manifest(&config.node.manifest)?;
    for (label, ran) in open_data(&config, &manifest).await?.migrated {
        if ran.is_empty() {
            line(format_args!("{label}: nothing to do"));
        }
        for name in ran {
            line(format_args!("{label}: ran {name}"));
        }
    }
    Ok(())
}
