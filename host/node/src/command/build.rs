//! `edge build`.

use super::{NodeFile, manifest};
use crate::components;
use crate::output::line;

pub(super) fn run(node: &NodeFile) -> anyhow::Result<()> {
    let config = node.config()?;
    let manifest = manifest(&config.node.manifest)?;
    components::build(&manifest)?;
    for (id, component) in &manifest.components {
        let path = manifest.source_path(component);
        let size = std::fs::metadata(&path).map_or(0, |m| m.len());
        line(format_args!("{id:<14} {:>6} KiB  {}", size / 1024, path.display()));
    }
    Ok(())
}
