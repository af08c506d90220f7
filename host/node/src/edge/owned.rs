//! A region while this node owns it: its events on their way, its timers, its sockets.

use std::sync::Arc;
use std::time::Duration;

use edge_delivery::internal::EventRoute;
use edge_delivery::regions::Owned as Answering;
use edge_delivery::{Durability, Freshness, Hub, Public, Sockets, StreamProgress};
use edge_streams::{Deliver, EventTable, Publish, Relay, RelayStatus, Topic};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Shared;
use super::core::Core;
use crate::node::{public_options, tick};

/// How long sockets and tasks have to end once the region is given up.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A region that this node owns now.
pub(crate) struct Owned {
    /// What answers for it.
    pub(crate) answering: Answering,
    /// How far its events are published.
    pub(crate) published: RelayStatus,
    /// How far they are consumed.
    pub(crate) consumed: RelayStatus,
    sockets: Option<Arc<Sockets>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Owned {
    /// Starts everything that a region's owner does.
    pub(crate) async fn start(shared: &Shared, core: &Core, topic: Arc<dyn Topic>) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(Hub::default());
        let mut tasks = Vec::new();
        let route = EventRoute { internal: core.internal.clone(), hub: hub.clone() };
        let consumers = Relay::new(EventTable::open(&core.database).await?, route);
        let own = EventTable::open(&core.database).await?;
        let publisher = Relay::new(EventTable::open(&core.database).await?, Publish::new(topic, own));
        let (consumed, published) = (consumers.status(), publisher.status());
        start(&mut tasks, consumers, &stopped);
        start(&mut tasks, publisher, &stopped);
        let interval = shared.config.internal.tick_interval_ms;
        if interval > 0 {
            let interval = Duration::from_millis(interval);
            let application = core.internal.clone();
            let fire = async move || application.post("tick", Vec::new()).await;
            tasks.push(tokio::spawn(tick(fire, interval, stopped.clone())));
        }
        let progress = StreamProgress::new(EventTable::open(&core.database).await?, published.clone());
        let gate = core.database.gate().clone();
        let durability = Durability::new(shared.config.durability.options(), Some(progress), gate);
        let sockets = shared.config.sockets.options();
        let sockets =
            sockets.map(|options| Sockets::new(options, core.internal.clone(), hub, stopped.clone()));
        let public = shared.public(core, sockets.clone(), durability);
        let answering = Answering::new(Arc::new(public));
        Ok(Self { answering, published, consumed, sockets, stop, tasks })
    }

    /// Ends all of it. Whoever is connected is told to come back, and finds the new owner.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        let ended = async {
            if let Some(sockets) = &self.sockets {
                sockets.ended().await;
            }
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, ended).await.is_err() {
            tracing::warn!("sockets of the region were still open when it was given up");
        }
        for mut task in self.tasks {
            if tokio::time::timeout(LEAVE_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        }
        self.answering.drained().await;
    }
}

fn start<D: Deliver>(tasks: &mut Vec<JoinHandle<()>>, relay: Relay<D>, stopped: &watch::Receiver<bool>) {
    tasks.push(tokio::spawn(relay.run(stopped.clone())));
}

impl Shared {
    /// What answers requests over a region's file.
    pub(crate) fn public(
        &self,
        core: &Core,
        sockets: Option<Arc<Sockets>>,
        durability: Arc<Durability>,
    ) -> Public {
        let freshness = Freshness::new(self.config.durability.seen_header(), self.replicated.clone());
        let options = public_options(&self.config, &self.guards);
        Public::new(core.app.clone(), options, sockets, durability, freshness)
    }
}
