//! `edge hand-over` and `edge status`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::{NodeFile, block_on};
use crate::node::ADMIN_TOKEN;
use crate::output::line;

/// Which node is asked.
#[derive(Debug, Args)]
pub(super) struct Asked {
    #[command(flatten)]
    node: NodeFile,
    /// The node's admin address; without it the node file's
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
}

impl Asked {
    /// The node file.
    pub(super) const fn node(&self) -> &NodeFile {
        &self.node
    }

    pub(super) fn url(&self) -> anyhow::Result<String> {
        match &self.admin {
            Some(url) => Ok(url.trim_end_matches('/').to_owned()),
            None => Ok(format!("http://{}", self.node.config()?.listen.admin)),
        }
    }
}

/// `edge hand-over`.
#[derive(Debug, Args)]
pub(super) struct HandOver {
    /// The region
    region: String,
    /// The edge that is to own it
    #[arg(long, value_name = "EDGE")]
    to: String,
    /// The file with the admin listener's token; without it secrets/admin_token in the node file's data folder
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

impl HandOver {
    fn token(&self) -> anyhow::Result<String> {
        let path = match &self.token_file {
            Some(path) => path.clone(),
            None => self.asked.node.config()?.node.data.join("secrets").join(ADMIN_TOKEN),
        };
        let token = std::fs::read_to_string(&path).with_context(|| {
            let path = path.display();
            format!("cannot read the token {path}: give --token-file, from the data folder of the node that is asked")
        })?;
        Ok(token.trim().to_owned())
    }

    pub(super) fn run(&self) -> anyhow::Result<()> {
        let url = format!("{}/regions/{}/hand-over?to={}", self.asked.url()?, self.region, self.to);
        let token = self.token()?;
        let started = std::time::Instant::now();
        block_on(async {
            let response = reqwest::Client::new().post(&url).bearer_auth(token).send().await;
            let response = response.with_context(|| format!("{url} gave no answer: is the node running?"))?;
            let status = response.status();
            let answer: Value = response.json().await.unwrap_or_default();
            let why = answer["detail"].as_str().unwrap_or("no reason was given");
            anyhow::ensure!(status.is_success(), "region '{}' was not handed over: {why}", self.region);
            Ok(())
        })?;
        line(format_args!(
            "{} was handed over to {} in {} ms",
            self.region,
            self.to,
            started.elapsed().as_millis()
        ));
        Ok(())
    }
}

/// `edge status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    asked: Asked,
}

impl Status {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let url = format!("{}/status", self.asked.url()?);
        let status: Value = block_on(async {
            let response = reqwest::get(&url).await;
            let response = response.with_context(|| format!("{url} gave no answer: is the node running?"))?;
            anyhow::ensure!(
                response.status().is_success(),
                "{url} answered {}: a node that is alone has no regions to tell of",
                response.status()
            );
            Ok(response.json().await?)
        })?;
        line(format_args!(
            "{}  busy {:.0} %",
            status["name"].as_str().unwrap_or_default(),
            status["load"].as_f64().unwrap_or_default() * 100.0
        ));
        line(format_args!(
            "{:<20}{:<12}{:>7}{:>10}{:>10}{:>10}{:>10}{:>9}",
            "region", "owner", "epoch", "event", "published", "consumed", "behind", "lag ms"
        ));
        for region in status["regions"].as_array().into_iter().flatten() {
            let here = region["owned"] == true;
            let owner = if here { "here" } else { region["owner"].as_str().unwrap_or("nobody") };
            let of_owner = |key: &str| if here { region[key].to_string() } else { "-".to_owned() };
            let of_standby = |key: &str| if here { "-".to_owned() } else { region[key].to_string() };
            line(format_args!(
                "{:<20}{:<12}{:>7}{:>10}{:>10}{:>10}{:>10}{:>9}",
                region["name"].as_str().unwrap_or_default(),
                owner,
                region["epoch"].to_string(),
                region["seq"].to_string(),
                of_owner("published"),
                of_owner("consumed"),
                of_standby("behind"),
                of_standby("lag_ms")
            ));
        }
        for replica in status["replicas"].as_array().into_iter().flatten() {
            line(format_args!(
                "replica of '{}': shows {} writes{}",
                replica["database"].as_str().unwrap_or_default(),
                replica["seen"],
                if replica["failing"] == true { ", and is not kept in step" } else { "" }
            ));
        }
        Ok(())
    }
}
