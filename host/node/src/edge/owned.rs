//! A region while this node owns it: its events on their way, its timers, its sockets.

use std::sync::Arc;
use std::time::Duration;

use edge_delivery::internal::EventRoute;
use edge_delivery::regions::Owned as Answering;
use edge_delivery::{
    Admission, Durability, Freshness, Hub, Public, PublicOptions, Sockets, StreamProgress, Waits,
};
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
    /// How far what is stored is in the topic.
    progress: Arc<StreamProgress>,
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
            let fire = async move || application.tick().await;
            tasks.push(tokio::spawn(tick(fire, interval, stopped.clone())));
        }
        let settler = shared.config.internal.settler(&core.internal);
        if let Some(settler) = settler.clone() {
            let every = Duration::from_millis(shared.config.internal.settle_interval_ms);
            tasks.push(tokio::spawn(settler.run(core.database.commits(), every, stopped.clone())));
        }
        let table = EventTable::open(&core.database).await?;
        let progress = Arc::new(StreamProgress::new(table, published.clone(), settler));
        let gate = core.database.gate().clone();
        let durability = Durability::new(shared.config.durability.options(), Some(progress.clone()), gate);
        let internal = core.internal.telling(durability.replicas());
        let sockets = shared.config.sockets.options();
        let sockets = sockets.map(|options| {
            Sockets::new(options, internal, hub.clone(), shared.guards.throttle.clone(), stopped.clone())
        });
        let options = public_options(&shared.config, &shared.guards);
        let public = shared.public(core, options, sockets.clone(), (hub, stopped), durability);
        let answering = Answering::new(Arc::new(public));
        Ok(Self { answering, published, consumed, progress, sockets, stop, tasks })
    }

    /// Takes no more frames of sockets, and has everything that is stored in the topic; the last event.
    pub(crate) async fn settled(&self) -> Result<u64, String> {
        if let Some(sockets) = &self.sockets {
            sockets.take_no_more().await;
        }
        self.progress.settled().await.map_err(|error| error.to_string())
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
    /// What answers requests over a region's file. Who waits is told of the hub's news, until it stops.
    pub(crate) fn public(
        &self,
        core: &Core,
        options: PublicOptions,
        sockets: Option<Arc<Sockets>>,
        (hub, stopped): (Arc<Hub>, watch::Receiver<bool>),
        durability: Arc<Durability>,
    ) -> Public {
        let waits = Waits::new(self.config.admission.waits.options(), core.app.clone(), hub, stopped);
        let admission = Admission { bodies: self.bodies.clone(), waits };
        let freshness = Freshness::new(self.config.durability.seen_header(), self.replicated.clone());
        Public::new(core.app.clone(), options, sockets, admission, durability, freshness)
    }
}
