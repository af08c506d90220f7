//! `edge verify`.

use anyhow::{Context as _, bail};
use clap::Args;
use edge_data::{LocalDatabase, PoolOptions};
use edge_streams::{EventTable, FluvioTopic, compare};
use serde_json::Value;

use super::hand_over::Asked;
use super::{NodeFile, block_on};
use crate::output::line;

/// `edge verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A region of several edges: its owner and standbys are compared, byte for byte
    region: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        match &self.region {
            Some(region) => block_on(edges(&self.asked.url()?, region)),
            None => block_on(with_topic(self.asked.node())),
        }
    }
}

/// Compares what the edges hold of a region.
async fn edges(admin: &str, region: &str) -> anyhow::Result<()> {
    let url = format!("{admin}/regions/{region}/verify");
    let response =
        reqwest::get(&url).await.with_context(|| format!("{url} gave no answer: is the node running?"))?;
    let status = response.status();
    let found: Value = response.json().await.unwrap_or_default();
    let why = found["detail"].as_str().unwrap_or("a node that is alone has no standbys");
    anyhow::ensure!(status.is_success(), "region '{region}' was not compared: {why}");
    let (edge, seq) = (found["edge"].as_str().unwrap_or_default(), &found["holds"]["seq"]);
    line(format_args!("{edge:<12} event {seq}, {}", found["holds"]["last"].as_str().unwrap_or_default()));
    let views = found["holds"]["views"].as_object().map_or(0, serde_json::Map::len);
    let mut wrong = 0;
    for other in found["others"].as_array().into_iter().flatten() {
        let edge = other["edge"].as_str().unwrap_or_default();
        let differs: Vec<&str> =
            other["differs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match other["reason"].as_str() {
            Some(reason) => {
                wrong += 1;
                line(format_args!("{edge:<12} not compared: {reason}"));
            }
            None if differs.is_empty() => {
                line(format_args!("{edge:<12} event {seq}, the same log and the same {views} views"));
            }
            None => {
                wrong += 1;
                line(format_args!("{edge:<12} event {seq}, differs in {}", differs.join(", ")));
            }
        }
    }
    anyhow::ensure!(wrong == 0, "{wrong} edge(s) of region '{region}' were not seen to be the same");
    Ok(())
}

/// Compares the node's event table with its topic and prints what it found; an error where they differ.
async fn with_topic(node: &NodeFile) -> anyhow::Result<()> {
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
