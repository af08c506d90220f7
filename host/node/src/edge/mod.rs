//! A node among others: every region that it may own is followed or owned, and requests go to whoever owns theirs.

mod control;
mod core;
mod governor;
mod lease;
mod opening;
mod owned;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use edge_data::lease::Claimant;
use edge_data::migrate::Migration;
use edge_data::{LocalDatabase, LocalStorage, PoolOptions, ReplicatedDatabase};
use edge_delivery::admin::{Admin, Operations};
use edge_delivery::regions::{Atlas, Health, PeerDoor, PeerTls, Peers, Place, Router};
use edge_delivery::{
    Bodies, Durability, DurabilityOptions, Hub, Listener, ObjectFolder, PublicOptions, Sockets,
};
use edge_runtime::{App, AppBuilder, Manifest, Runtime};
use edge_streams::{EventTable, StandbyStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::control::{Answers, EdgeStatus, Others, RegionStatus, ReplicaView};
use self::core::Core;
pub(crate) use self::core::file as region_file;
use self::governor::{Governor, HandOver, Owning};
use self::lease::{LeaseBoard, LeaseKeeper, LeaseView, Order};
use self::opening::{open_shared, peer_limits, router_options};
use crate::Node;
use crate::commons::Commons;
use crate::config::{Config, read_atlas};
use crate::node::{Guards, Parts, public_options, serve};

/// How often the other edges are asked how they are.
const HEALTH_EVERY: Duration = Duration::from_secs(2);
/// How long a hand-over may take before who asked for it is told that it did not end.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(15);

/// What the regions of a node share.
pub(crate) struct Shared {
    config: Config,
    manifest: Manifest,
    runtime: Arc<Runtime>,
    pool: PoolOptions,
    migrations: Vec<Migration>,
    variables: BTreeMap<String, String>,
    secret: String,
    objects: Option<Arc<ObjectFolder>>,
    /// Reads the bodies of all requests.
    bodies: Arc<Bodies>,
    /// The databases that are of no region, by label.
    locals: Vec<(String, LocalDatabase)>,
    replicated: Vec<(String, ReplicatedDatabase)>,
    peers: Arc<Peers>,
    guards: Guards,
    /// As whom this node holds leases: its name, and what tells its data folder from every other.
    holder: String,
}

impl Shared {
    fn events_label(&self) -> &str {
        &self.config.internal.events_database
    }

    fn add_others(&self, storage: &mut LocalStorage) {
        for (label, database) in &self.locals {
            storage.add_database(label, database.clone());
        }
        for (label, database) in &self.replicated {
            storage.add_replicated(label, database.clone());
        }
    }

    fn with_objects(&self, builder: AppBuilder) -> AppBuilder {
        match &self.objects {
            Some(objects) => builder.in_process(objects.clone()),
            None => builder,
        }
    }
}

/// The edge that a holder of leases is.
fn edge_of(holder: &str) -> &str {
    holder.split_once('/').map_or(holder, |(edge, _)| edge)
}

/// One region as this node knows it.
struct Slot {
    /// The other edges that keep it.
    others: Vec<String>,
    lease: watch::Receiver<LeaseView>,
    orders: mpsc::WeakSender<Order>,
    wishes: mpsc::Sender<HandOver>,
    standby: StandbyStatus,
    owning: watch::Receiver<Option<Owning>>,
    database: watch::Receiver<Option<LocalDatabase>>,
}

/// The regions that this node may own.
pub(crate) struct Regions {
    slots: BTreeMap<String, Slot>,
    front: Arc<App>,
    permits: usize,
}

impl Regions {
    /// The file of a region, while it is open.
    fn database(&self, region: &str) -> Option<LocalDatabase> {
        self.slots.get(region)?.database.borrow().clone()
    }

    /// Gives an order to whoever keeps the region's lease.
    async fn order(&self, region: &str, order: Order) {
        if let Some(orders) = self.slots.get(region).and_then(|slot| slot.orders.upgrade())
            && orders.send(order).await.is_err()
        {
            tracing::debug!(region, "the lease is not kept any more");
        }
    }

    async fn status(&self, shared: &Shared) -> EdgeStatus {
        let free: usize = self.front.status().map(|component| component.permits_free).min().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "hundreds")]
        let load = 1.0 - free as f64 / self.permits.max(1) as f64;
        let replica = |(label, database): &(String, ReplicatedDatabase)| {
            let status = database.status();
            ReplicaView { database: label.clone(), seen: status.seen, failing: status.failing }
        };
        let regions = self.slots.iter().map(|(name, slot)| slot.status(name));
        EdgeStatus {
            name: shared.config.node.name.clone(),
            holder: shared.holder.clone(),
            load,
            regions: futures::future::join_all(regions).await,
            replicas: shared.replicated.iter().map(replica).collect(),
        }
    }
}

impl Slot {
    async fn status(&self, name: &str) -> RegionStatus {
        let (lease, owning) = (self.lease.borrow().clone(), self.owning.borrow().clone());
        let standby = owning.is_none();
        RegionStatus {
            name: name.to_owned(),
            owner: lease.holder.as_deref().map(|holder| edge_of(holder).to_owned()),
            // An owner that stood still past its lease has not noticed yet.
            owned: owning.as_ref().is_some_and(|owning| owning.gate.is_open()),
            epoch: lease.epoch,
            seq: if standby { self.standby.reached() } else { self.last_seq().await },
            behind: if standby { self.standby.behind() } else { 0 },
            lag_ms: if standby { self.standby.lag_ms() } else { 0 },
            published: owning.as_ref().map_or(0, |owning| owning.published.delivered()),
            consumed: owning.as_ref().map_or(0, |owning| owning.consumed.delivered()),
        }
    }

    /// The last event in the region's file; 0 where it cannot be read.
    async fn last_seq(&self) -> u64 {
        let database = self.database.borrow().clone();
        let Some(database) = database else { return 0 };
        match EventTable::open(&database).await {
            Ok(table) => table.last_seq().await.unwrap_or_default(),
            Err(_) => 0,
        }
    }
}

/// What an operator asks of this node, on the admin listener.
struct Operator {
    shared: Arc<Shared>,
    regions: Arc<Regions>,
}

impl Operations for Operator {
    fn status(&self) -> edge_delivery::admin::Told<'_> {
        Box::pin(async move {
            serde_json::to_value(self.regions.status(&self.shared).await).map_err(|e| e.to_string())
        })
    }

    fn hand_over<'a>(&'a self, region: &'a str, to: &'a str) -> edge_delivery::admin::Done<'a> {
        Box::pin(async move {
            let slot = self.regions.slots.get(region).ok_or("this edge does not keep that region")?;
            let heir =
                self.shared.status_of(to).await.map_err(|e| format!("edge '{to}' does not answer: {e:#}"))?;
            if !heir.regions.iter().any(|known| known.name == region) {
                return Err(format!("edge '{to}' does not keep region '{region}'"));
            }
            let (done, told) = oneshot::channel();
            let wish = HandOver { to: to.to_owned(), heir: heir.holder, done };
            slot.wishes.send(wish).await.map_err(|_| "the node stops")?;
            let told = tokio::time::timeout(HAND_OVER_TIMEOUT, told).await;
            told.map_err(|_| "it did not end in time")?.map_err(|_| "the node stops")?
        })
    }

    fn verify<'a>(&'a self, region: &'a str) -> edge_delivery::admin::Told<'a> {
        Box::pin(async move {
            let verified = verify::verify(&self.shared, &self.regions, region).await?;
            serde_json::to_value(verified).map_err(|e| e.to_string())
        })
    }

    fn refresh(&self) -> edge_delivery::admin::Done<'_> {
        Box::pin(async move {
            let node = &self.shared.config.node.name;
            self.regions.status(&self.shared).await.regions.iter().for_each(|region| gauge(node, region));
            Ok(())
        })
    }
}

/// Brings a region's figures up to date.
fn gauge(node: &str, region: &RegionStatus) {
    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    let gauge = |name: &'static str, value: u64| {
        metrics::gauge!(name, "node" => node.to_owned(), "region" => region.name.clone()).set(value as f64);
    };
    gauge("region_owned", region.owned.into());
    gauge("region_epoch", region.epoch);
    gauge("region_seq", region.seq);
    gauge("region_standby_behind", region.behind);
    gauge("region_standby_lag_ms", region.lag_ms);
    gauge("region_published_seq", region.published);
    gauge("region_consumed_seq", region.consumed);
}

/// Starts a node among others.
pub(crate) async fn start(config: &Config, commons: &Commons) -> anyhow::Result<Node> {
    // First of all: figures that are looked up before there is a recorder go nowhere.
    let metrics = crate::telemetry::metrics();
    let mut config = config.clone();
    let file = config.regions.file.clone().context("regions.file is not set")?;
    let atlas = Arc::new(read_atlas(&file)?);
    let peers_section = config.peers.clone().context("[peers] is not set")?;
    let name = config.node.name.clone();
    atlas.edge(&name).with_context(|| format!("{} has no edge '{name}'", file.display()))?;
    config.variables.entry(config.regions.variable.clone()).or_insert_with(|| atlas.as_variable());
    let tls = PeerTls::read(&peers_section.certificate, &peers_section.key, &peers_section.authority)?;
    let peers = Arc::new(Peers::new(&atlas, &tls));
    let (stop, stopped) = watch::channel(false);
    let (shared, board) = open_shared(config, commons, peers.clone(), &stopped).await?;
    let shared = Arc::new(shared);

    let front = Core::front(&shared).await?;
    let mut start =
        Starting { shared: shared.clone(), commons, board, tasks: Vec::new(), stopped: stopped.clone() };
    let (mut slots, mut places) = (BTreeMap::new(), BTreeMap::new());
    for region in &atlas.regions {
        let place = Place::default();
        places.insert(region.name.clone(), place.clone());
        match region.edges.iter().position(|edge| *edge == name) {
            Some(order) => drop(slots.insert(region.name.clone(), start.region(region, order, place).await?)),
            None => start.watch_owner(&region.name, place),
        }
    }
    let mut tasks = start.tasks;
    let permits = front.app.status().map(|component| component.permits_free).max().unwrap_or(1);
    let regions = Arc::new(Regions { slots, front: front.app.clone(), permits });
    let health = Health::default();
    tasks.push(tokio::spawn(ask_around(shared.clone(), atlas.clone(), health.clone(), stopped.clone())));

    let hub = Arc::new(Hub::default());
    let sockets = shared.config.sockets.options();
    let sockets = sockets.map(|options| {
        Sockets::new(
            options,
            front.internal.clone(),
            hub.clone(),
            shared.guards.throttle.clone(),
            stopped.clone(),
        )
    });
    // What is of no region is acknowledged by the primary of its database.
    let local_only = DurabilityOptions { classes: Vec::new(), ..shared.config.durability.options() };
    let durability = Durability::new(local_only, None, edge_data::WriteGate::default());
    // What is of no region is stored by that database's primary, and what is of one by its owner: a full disk here is no
    // reason to refuse it.
    let options = PublicOptions { disk: None, ..public_options(&shared.config, &shared.guards) };
    let public = shared.public(&front, options, sockets.clone(), (hub, stopped.clone()), durability);
    let public = Arc::new(public);
    let router = Arc::new(Router::new(
        router_options(&shared),
        atlas,
        public.clone(),
        places,
        peers,
        health,
        stopped.clone(),
    ));

    let control = Arc::new(Answers { shared: shared.clone(), regions: regions.clone() });
    let door = Arc::new(PeerDoor::new(router.clone(), control));
    let peer_listener = Listener::bind(peers_section.listen, Some(tls.acceptor())).await?;
    let peer_listener = peer_listener.with_limits(peer_limits());
    let grace = Duration::from_millis(shared.config.listen.shutdown_grace_ms);
    let serve_peers = peer_listener.serve(
        move |request, peer| {
            let door = door.clone();
            async move { door.handle(request, peer).await }
        },
        stopped.clone(),
        grace,
    );
    tasks.push(tokio::spawn(serve_peers));
    let operations = Arc::new(Operator { shared: shared.clone(), regions });
    let ready = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let admin = Admin::new(Vec::new(), metrics)
        .with_app(front.app.clone(), shared.replicated.clone())
        .with_operations(operations);
    let parts = Parts {
        app: front.app,
        replicated: shared.replicated.clone(),
        local: shared.locals.iter().map(|(_, database)| database.clone()).collect(),
        sockets,
        front: public,
        ready,
        guards: shared.guards.clone(),
        admin,
        stop,
        stopped,
        tasks,
        ending: None,
    };
    let handle = move |request, peer| {
        let router = router.clone();
        async move { router.handle(request, peer).await }
    };
    serve(&shared.config, parts, handle).await
}

/// A node whose regions are being started.
struct Starting<'a> {
    shared: Arc<Shared>,
    commons: &'a Commons,
    board: Arc<LeaseBoard>,
    tasks: Vec<JoinHandle<()>>,
    stopped: watch::Receiver<bool>,
}

impl Starting<'_> {
    fn keep_lease(
        &mut self,
        region: &str,
        order: usize,
        others: Vec<String>,
    ) -> (watch::Receiver<LeaseView>, mpsc::Sender<Order>) {
        let view = watch::Sender::default();
        let lease = view.subscribe();
        let (orders, taken) = mpsc::channel(8);
        let terms = self.shared.config.regions.terms(order);
        let keeper = LeaseKeeper {
            board: self.board.clone(),
            region: region.to_owned(),
            me: Claimant { name: self.shared.holder.clone(), topic: self.shared.config.stream.topic(region) },
            terms,
            others: Others { shared: self.shared.clone(), edges: others },
            view,
        };
        self.tasks.push(tokio::spawn(keeper.run(taken)));
        (lease, orders)
    }

    /// Starts a region that this node may own; it is the one at that place in the region's list.
    async fn region(
        &mut self,
        region: &edge_delivery::regions::Region,
        order: usize,
        place: Place,
    ) -> anyhow::Result<Slot> {
        let topic = self.commons.topic(&self.shared.config, &region.name).await?;
        let topic = topic.context("the regions need a stream")?;
        let core = Core::open(&self.shared, region).await?;
        let me = &self.shared.config.node.name;
        let others: Vec<String> = region.edges.iter().filter(|edge| *edge != me).cloned().collect();
        let (lease, orders) = self.keep_lease(&region.name, order, others.clone());
        let (wishes, wished) = mpsc::channel(1);
        let (owning, database) = (watch::Sender::new(None), watch::Sender::new(Some(core.database.clone())));
        let standby = StandbyStatus::default();
        let slot = Slot {
            others,
            lease: lease.clone(),
            orders: orders.downgrade(),
            wishes,
            standby: standby.clone(),
            owning: owning.subscribe(),
            database: database.subscribe(),
        };
        let governor = Governor {
            shared: self.shared.clone(),
            region: region.clone(),
            topic,
            place,
            lease,
            orders,
            wishes: wished,
            standby,
            owning,
            database,
            stop: self.stopped.clone(),
        };
        self.tasks.push(tokio::spawn(governor.run(core)));
        Ok(slot)
    }

    /// Watches who owns a region that this node may not own.
    fn watch_owner(&mut self, region: &str, place: Place) {
        let watcher = control::watch_owner(
            self.board.clone(),
            region.to_owned(),
            self.shared.config.regions.terms(0),
            place,
            self.stopped.clone(),
        );
        self.tasks.push(tokio::spawn(watcher));
    }
}

/// Asks the other edges how they are, for as long as the node runs.
async fn ask_around(shared: Arc<Shared>, atlas: Arc<Atlas>, health: Health, mut stop: watch::Receiver<bool>) {
    loop {
        let asking = atlas.edges.iter().map(|edge| async {
            let status = shared.status_of(&edge.name).await;
            health.note(&edge.name, status.ok().map(|status| status.load));
        });
        futures::future::join_all(asking).await;
        if tokio::time::timeout(HEALTH_EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}
