//! `edge relay`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use edge_delivery::admin::Admin;
use edge_delivery::{AdminGuard, Listener};
use tokio::sync::watch;

use super::{NodeFile, block_on, told_to_stop};
use crate::config::Config;
use crate::relay::Sidecar;
use crate::telemetry;

/// The environment variable by which Spin gives the application the same secret.
const SECRET_VARIABLE: &str = "SPIN_VARIABLE_RELAY_SECRET";

/// `edge relay`.
#[derive(Debug, Args)]
#[command(
    after_help = "The application must know the same secret as its variable 'relay_secret': start Spin with \
                        SPIN_VARIABLE_RELAY_SECRET set to it. The node file says how often timers fire \
                        (internal.tick_interval_ms), where events are published (stream.fluvio, for the region \
                        node.region), and where health and metrics are answered (listen.admin)."
)]
pub(super) struct Relay {
    /// Where the application is served, e.g. http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with the secret that the application shares; without it the environment variable SPIN_VARIABLE_RELAY_SECRET
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    node: NodeFile,
}

impl Relay {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let config = self.node.config()?;
        telemetry::start_log(&config.log)?;
        let secret = self.secret()?;
        block_on(serve(&config, &self.url, secret.as_bytes()))
    }

    fn secret(&self) -> anyhow::Result<String> {
        let secret = match &self.secret_file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the relay's secret from {}", file.display()))?,
            None => std::env::var(SECRET_VARIABLE).with_context(|| {
                format!("the relay needs the secret that the application knows: set {SECRET_VARIABLE}, or give --secret-file")
            })?,
        };
        Ok(secret.trim().to_owned())
    }
}

async fn serve(config: &Config, url: &str, secret: &[u8]) -> anyhow::Result<()> {
    let metrics = telemetry::metrics();
    // First of all: an address that is taken shows before anything is done.
    let listener = Listener::bind(config.listen.admin, None).await?;
    let address = listener.address();
    let sidecar = Sidecar::start(config, url, secret).await?;
    let admin = Arc::new(Admin::new(sidecar.relays.clone(), metrics));
    let (stop, stopped) = watch::channel(false);
    // A relay has nothing that an operator could change.
    let guard = Arc::new(AdminGuard::new(&config.listen.admin_hosts, None));
    let handle = move |request, _| {
        let (admin, guard) = (admin.clone(), guard.clone());
        async move {
            match guard.refuse(&request) {
                Some(refusal) => refusal,
                None => admin.handle(&request).await,
            }
        }
    };
    let grace = Duration::from_millis(config.listen.shutdown_grace_ms);
    let listening = tokio::spawn(listener.serve(handle, stopped, grace));
    let to: Vec<&str> = sidecar.relays.iter().map(|(to, _)| *to).collect();
    eprintln!("relaying for {url}, region {}: {}, timers", sidecar.region, to.join(", "));
    eprintln!("health and metrics on http://{address} — Ctrl-C stops");
    told_to_stop().await?;
    stop.send_replace(true);
    sidecar.stop().await?;
    listening.await.context("the listener failed")?;
    Ok(())
}
