//! `edge migrate`.

use super::{NodeFile, manifest};
use crate::node::open_data;

pub(super) async fn run(node: &NodeFile) -> anyhow::Result<()> {
    let config = node.config()?;
    let manifest = manifest(&config.node.manifest)?;
    for (label, ran) in open_data(&config, &manifest).await?.migrated {
        if ran.is_empty() {
            println!("{label}: nothing to do");
        }
        for name in ran {
            println!("{label}: ran {name}");
        }
    }
    Ok(())
}
