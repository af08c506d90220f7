//! `edge verify`.

use anyhow::{Context as _, bail};
use edge_data::{LocalDatabase, PoolOptions};
use edge_streams::{EventTable, FluvioTopic, compare};

use super::NodeFile;
use crate::output::line;

/// Compares the node's event table with its topic and prints what it found; an error where they differ.
pub(super) async fn run(node: &NodeFile) -> anyhow::Result<()> {
    let config = node.config()?;
    let Some(settings) = config.stream.settings() else {
        bail!(
            "this node's event table is its stream: there is nothing to compare; set stream.fluvio in the node file"
        );
    };
    let label = &config.internal.events_database;
    let database = config.databases.0.get(label).with_context(|| {
        format!("internal.events_database names '{label}', which [databases] does not have")
    })?;
    let path = config.node.data.join(&database.file);
    anyhow::ensure!(path.exists(), "{} is missing; run 'cargo edge migrate'", path.display());
    let database = LocalDatabase::open(&path, PoolOptions::default()).await?;
    let name = config.stream.topic(&config.node.region);
    let topic = FluvioTopic::new(settings, name.clone());
    let found = compare(&EventTable::open(&database).await?, &topic).await?;
    line(format_args!("topic       {name}"));
    match found.range {
        Some((first, last)) => line(format_args!("same        {} records, {first} to {last}", found.same)),
        None => line("same        no records"),
    }
    line(format_args!("repeated    {}", found.repeated));
    line(format_args!("stale       {}", found.stale));
    line(format_args!("unpublished {}", found.unpublished));
    match found.difference {
        None => Ok(()),
        Some(difference) => {
            Err(difference).with_context(|| format!("{} and topic '{name}' differ", path.display()))
        }
    }
}
