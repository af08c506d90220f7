//! The relay: what a node does around the components, done from beside another runtime that serves the same application.
//!
//! Stock Spin runs the components and nothing else: nobody hands their events to the consumers, fires their timers or
//! publishes their stream. This does, through three internal routes of the application (`outbox`, `events`, `tick`), each
//! request proven with a shared secret ([`proof`]). It keeps nothing: how far it is, the consumers and the topic know.

mod application;
mod proof;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use edge_streams::{Deliver, FluvioTopic, Publish, Relay, RelayStatus};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::application::{Application, ApplicationError, Consumers, RemoteOutbox};
use crate::config::Config;
use crate::node::tick;

/// How long the application has for its first answer: a runtime that compiles it first takes its time.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// A running relay. Dropping it without [`Sidecar::stop`] leaves its tasks to the runtime.
pub struct Sidecar {
    /// The region whose events these are.
    pub region: String,
    /// What is delivered to whom.
    pub relays: Vec<(&'static str, RelayStatus)>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sidecar {
    /// Begins to relay for the application at `url`, as the node file says: its consumers' events, its timers, and its
    /// stream where the file names a broker.
    ///
    /// # Errors
    /// When the application does not answer, does not take the secret, or serves another region than the file says.
    pub async fn start(config: &Config, url: &str, secret: &[u8]) -> anyhow::Result<Self> {
        let application = Arc::new(Application::new(url, &config.internal.prefix, secret)?);
        let region = application.region_within(FIRST_ANSWER_TIMEOUT).await?;
        let (stop, stopped) = watch::channel(false);
        let mut sidecar = Self { region, relays: Vec::new(), stop, tasks: Vec::new() };
        let outbox = || RemoteOutbox::new(application.clone());
        sidecar.relay("consumers", Relay::new(outbox(), Consumers(application.clone())), &stopped);
        if let Some(settings) = config.stream.settings() {
            anyhow::ensure!(
                sidecar.region == config.node.region,
                "the application serves region '{}' and the node file says '{}'",
                sidecar.region,
                config.node.region
            );
            let topic = FluvioTopic::new(settings, config.stream.topic(&sidecar.region));
            sidecar.relay("stream", Relay::new(outbox(), Publish::new(topic, outbox())), &stopped);
        }
        if config.internal.tick_interval_ms > 0 {
            let interval = Duration::from_millis(config.internal.tick_interval_ms);
            sidecar.tasks.push(tokio::spawn(tick(async move || application.tick().await, interval, stopped)));
        }
        Ok(sidecar)
    }

    fn relay<D: Deliver>(
        &mut self,
        to: &'static str,
        relay: Relay<D, RemoteOutbox>,
        stopped: &watch::Receiver<bool>,
    ) {
        self.relays.push((to, relay.status()));
        self.tasks.push(tokio::spawn(relay.run(stopped.clone())));
    }

    /// Ends it. What is under way may be done and not be known here: it is asked for again the next time.
    ///
    /// # Errors
    /// When a task of it had failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.context("a task of the relay failed")?;
        }
        Ok(())
    }
}
