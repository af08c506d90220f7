//! The layers put together.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use edge_data::{LocalDatabase, LocalStorage, ReplicatedDatabase};
use edge_delivery::admin::Admin;
use edge_delivery::internal::{EventRoute, INTERNAL_HEADER};
use edge_delivery::{
    AdminGuard, Admission, Bodies, ConnectionLimits, DiskGuard, Durability, Freshness, Hub, Internal,
    Listener, ObjectFolder, Public, PublicOptions, Readiness, Settler, Sockets, StreamProgress, Throttle,
    Waits,
};
use edge_runtime::{App, AppBuilder, Body, Manifest};
use edge_streams::{Deliver, EventTable, FluvioTopic, Publish, Relay, RelayStatus};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::commons::Commons;
use crate::config::Config;
use crate::data::open_data;
use crate::secrets;

/// How long a last scrape may take when everything else has ended.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// Why a node did not start.
pub type StartError = anyhow::Error;

/// A running node. Dropping it without [`Node::stop`] ends its tasks at once.
pub struct Node {
    public: SocketAddr,
    admin: SocketAddr,
    app: Arc<App>,
    replicated: Vec<(String, ReplicatedDatabase)>,
    /// Files whose logs are emptied last of all.
    local: Vec<LocalDatabase>,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    sockets: Option<Arc<Sockets>>,
    front: Arc<Public>,
    /// How long clients are let in after it is known that the node stops.
    notice: Duration,
    grace: Duration,
    tasks: Vec<JoinHandle<()>>,
    public_listener: JoinHandle<()>,
    /// Tells of the stop until it is over.
    admin_listener: (watch::Sender<bool>, JoinHandle<()>),
    ending: Option<Ending>,
}

impl Node {
    /// Starts a node: opens and migrates its databases, loads its components, and listens.
    ///
    /// # Errors
    /// When any of it fails; the message says what and where.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, &Commons::default()).await
    }

    /// The same beside other nodes in this process, with which it shares what they have in common.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_with(config: &Config, commons: &Commons) -> Result<Self, StartError> {
        crate::choose_tls_provider();
        // First of all: figures that are looked up before there is a recorder go nowhere.
        crate::telemetry::metrics();
        match config.regions.file {
            // Starting is large and rare: on the heap, so that whoever starts a node stays small.
            Some(_) => Box::pin(crate::edge::start(config, commons)).await,
            None => Box::pin(Self::start_alone(config)).await,
        }
    }

    async fn start_alone(config: &Config) -> Result<Self, StartError> {
        let manifest = Manifest::load(&config.node.manifest)?;
        let opened = open_data(config, &manifest).await?;
        let (variables, secret) = variables(config)?;
        let storage = Arc::new(opened.storage);

        let mut builder = AppBuilder::new(manifest)
            .limits(config.runtime_limits())
            .isolate(config.admission.isolation())
            .on_compile(crate::progress::compiling)
            .storage(storage.clone())
            .variables(variables);
        if let Some(store) = objects(config)? {
            builder = builder.in_process(store);
        }
        let cache: PathBuf = config.node.cache.clone().unwrap_or_else(|| config.node.data.join("cache"));
        let app = tokio::task::spawn_blocking(move || builder.load(&cache)).await??;
        let app = Arc::new(app);
        let internal = Internal::new(app.clone(), &config.internal.prefix, &secret)?;

        let (stop, stopped) = watch::channel(false);
        let guards = Guards::new(config, stopped.clone());
        let hub = Arc::new(Hub::default());
        let mut tasks = Vec::new();
        let events = Events::relay(config, &storage, &internal, &hub).await?;
        let gate = edge_data::WriteGate::default();
        let ending = Ending {
            progress: events.progress.clone(),
            settler: events.settler,
            tasks: events.tasks,
            stop: events.stop,
        };
        let durability = Durability::new(config.durability.options(), events.progress, gate);
        if config.internal.tick_interval_ms > 0 {
            let interval = Duration::from_millis(config.internal.tick_interval_ms);
            let application = internal.clone();
            let fire = async move || application.tick().await;
            tasks.push(tokio::spawn(tick(fire, interval, stopped.clone())));
        }
        let sockets = config.sockets.options();
        let internal = internal.telling(durability.replicas());
        let sockets = sockets.map(|options| {
            Sockets::new(options, internal, hub.clone(), guards.throttle.clone(), stopped.clone())
        });
        let local = storage.locals().cloned().collect();
        let replicated: Vec<_> =
            storage.replicated().map(|(label, database)| (label.to_owned(), database.clone())).collect();
        let metrics = crate::telemetry::metrics();
        let admission = Admission {
            bodies: Bodies::new(config.admission.bodies(&config.limits)),
            waits: Waits::new(config.admission.waits.options(), app.clone(), hub, stopped.clone()),
        };
        let freshness = Freshness::new(config.durability.seen_header(), replicated.clone());
        let public = Arc::new(Public::new(
            app.clone(),
            public_options(config, &guards),
            sockets.clone(),
            admission,
            durability,
            freshness,
        ));
        let ready = Arc::new(AtomicBool::new(true));
        let admin = Admin::new(events.relays, metrics).with_app(app.clone(), replicated.clone());
        let (front, ending) = (public.clone(), Some(ending));
        let parts = Parts {
            app,
            replicated,
            local,
            sockets,
            front,
            ready,
            guards,
            admin,
            stop,
            stopped,
            tasks,
            ending,
        };
        let handle = move |request, peer| {
            let public = public.clone();
            async move { public.handle(request, peer).await }
        };
        serve(config, parts, handle).await
    }

    /// Where clients come in.
    #[must_use]
    pub const fn public_address(&self) -> SocketAddr {
        self.public
    }

    /// Where health and metrics are answered.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The application it runs.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers that wait on this node for news, and event streams that are open; of no region where there are several.
    #[must_use]
    pub fn waiting(&self) -> [usize; 2] {
        self.front.waiting()
    }

    /// Stops. First `/readyz` says so, while clients are still let in for the notice period. Then nobody is let in any
    /// more: who waits is answered with what there is, streams of events end between two events, sockets are closed with
    /// 1001, and what was accepted finishes within the grace period. The admin listener closes last.
    pub async fn stop(self) {
        self.ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(self.notice).await;
        self.stop.send_replace(true);
        if let Some(sockets) = &self.sockets
            && tokio::time::timeout(self.grace, sockets.ended()).await.is_err()
        {
            tracing::warn!("sockets were still open at the end of the grace period");
        }
        ended(std::iter::once(self.public_listener).chain(self.tasks)).await;
        if let Some(ending) = self.ending {
            ending.end(self.sockets.as_deref(), self.grace).await;
        }
        for (_, database) in &self.replicated {
            database.close().await;
        }
        self.app.leave();
        for database in &self.local {
            // What was removed is in the log until then.
            match database.empty_log().await {
                Ok(true) => {}
                Ok(false) => tracing::info!(file = %database.path().display(), "the log is still being read"),
                Err(error) => {
                    tracing::warn!(%error, file = %database.path().display(), "the log was not emptied");
                }
            }
        }
        let (stop, listener) = self.admin_listener;
        stop.send_replace(true);
        if let Err(error) = listener.await {
            tracing::error!(%error, "the admin listener failed");
        }
    }
}

/// What keeps a node from being asked for more than it can give. One of each for the whole node.
#[derive(Clone)]
pub(crate) struct Guards {
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) disk: Arc<DiskGuard>,
}

impl Guards {
    /// As the node file says.
    pub(crate) fn new(config: &Config, stopped: watch::Receiver<bool>) -> Self {
        let options = config.throttle.options(config.listen.proxies(), config.listen.cors_origin());
        let mut folders = vec![config.node.data.clone()];
        if !config.objects.host.is_empty() {
            folders.push(config.node.data.join(&config.objects.folder));
        }
        Self {
            throttle: Arc::new(Throttle::new(options)),
            disk: DiskGuard::watch(config.disk.options(folders), stopped),
        }
    }
}

/// What a node is made of, before it listens.
pub(crate) struct Parts {
    pub(crate) app: Arc<App>,
    pub(crate) replicated: Vec<(String, ReplicatedDatabase)>,
    pub(crate) local: Vec<LocalDatabase>,
    pub(crate) sockets: Option<Arc<Sockets>>,
    pub(crate) front: Arc<Public>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) guards: Guards,
    pub(crate) admin: Admin,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
    pub(crate) ending: Option<Ending>,
}

/// Waits for tasks to end.
async fn ended(tasks: impl Iterator<Item = JoinHandle<()>>) {
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task of the node failed");
        }
    }
}

/// What a node that is alone does last of all, when nobody is answered any more: everything that is stored is written into the
/// events, and published where there is a broker.
pub(crate) struct Ending {
    progress: Option<Arc<StreamProgress>>,
    settler: Option<Settler>,
    /// Ends the relays.
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Ending {
    async fn end(self, sockets: Option<&Sockets>, grace: Duration) {
        let settling = async {
            if let Some(sockets) = sockets {
                sockets.take_no_more().await;
            }
            if let Some(settler) = &self.settler {
                settler.settle().await.map_err(|e| e.to_string())?;
            }
            match &self.progress {
                Some(progress) if progress.is_failing() => Err("the broker is away".to_owned()),
                Some(progress) => progress.caught_up().await.map(drop).map_err(|e| e.to_string()),
                None => Ok(()),
            }
        };
        match tokio::time::timeout(grace, settling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error, "what is stored is not all in the stream"),
            Err(_) => {
                tracing::error!("what is stored is not all in the stream at the end of the grace period");
            }
        }
        self.stop.send_replace(true);
        ended(self.tasks.into_iter()).await;
    }
}

/// The secret that opens what changes something on the admin listener.
pub(crate) const ADMIN_TOKEN: &str = "admin_token";

/// Listens for clients, whom `handle` answers, and for operators.
pub(crate) async fn serve<H, F>(config: &Config, parts: Parts, handle: H) -> Result<Node, StartError>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let Parts { app, replicated, local, sockets, front, ready, guards, admin, stop, stopped, tasks, ending } =
        parts;
    let tls = match &config.tls {
        Some(tls) => Some(edge_delivery::tls::acceptor(&tls.certificate, &tls.key)?),
        None => None,
    };
    let descriptors = edge_delivery::descriptors::raise();
    let public_listener =
        Listener::bind(config.listen.public, tls).await?.with_limits(config.listen.connections(descriptors));
    let admin_listener = Listener::bind(config.listen.admin, None).await?.with_limits(admin_limits());
    let admin = admin.with_readiness(Readiness {
        serving: ready.clone(),
        listener: public_listener.status(),
        app: app.clone(),
        path: config.listen.ready_path(),
        disk: guards.disk,
    });
    let (public, admin_address) = (public_listener.address(), admin_listener.address());
    let grace = Duration::from_millis(config.listen.shutdown_grace_ms);
    let serve_public = public_listener.serve(handle, stopped, grace);
    let (stop_admin, admin_stopped) = watch::channel(false);
    let admin = Arc::new(admin);
    let token = secrets::kept(&config.node.data, ADMIN_TOKEN)?;
    let guard = Arc::new(AdminGuard::new(&config.listen.admin_hosts, Some(token)));
    let serve_admin = admin_listener.serve(
        move |request, _| {
            let (admin, guard) = (admin.clone(), guard.clone());
            async move {
                if let Some(refusal) = guard.refuse(&request) {
                    return refusal;
                }
                let answer = tokio::time::timeout(ADMIN_TIMEOUT, admin.handle(&request)).await;
                answer.unwrap_or_else(|_| edge_delivery::timed_out())
            }
        },
        admin_stopped,
        ADMIN_GRACE,
    );
    Ok(Node {
        public,
        admin: admin_address,
        app,
        replicated,
        local,
        stop,
        ready,
        sockets,
        front,
        notice: Duration::from_millis(config.listen.shutdown_notice_ms),
        grace,
        tasks,
        public_listener: tokio::spawn(serve_public),
        admin_listener: (stop_admin, tokio::spawn(serve_admin)),
        ending,
    })
}

/// How long an operator's request may take: comparing a region with its standbys takes the longest.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Limits of the admin listener: operators and what scrapes the figures.
fn admin_limits() -> ConnectionLimits {
    ConnectionLimits { connections_max: 256, per_address_max: 256, ..ConnectionLimits::default() }
}

/// What the public listener is told.
pub(crate) fn public_options(config: &Config, guards: &Guards) -> PublicOptions {
    PublicOptions {
        limits: config.limits.public(),
        internal_prefix: config.internal.prefix.clone(),
        internal_header: INTERNAL_HEADER,
        tls: config.tls.is_some(),
        throttle: guards.throttle.clone(),
        disk: Some(guards.disk.clone()),
    }
}

/// The folder of objects, where the node has one.
pub(crate) fn objects(config: &Config) -> anyhow::Result<Option<Arc<ObjectFolder>>> {
    let objects = &config.objects;
    if objects.host.is_empty() {
        return Ok(None);
    }
    let folder = config.node.data.join(&objects.folder);
    let store = ObjectFolder::open(&objects.host, &folder, objects.object_kib << 10)
        .with_context(|| format!("the object folder {} cannot be used", folder.display()))?;
    Ok(Some(Arc::new(store)))
}

/// The region's events on their way.
#[derive(Default)]
struct Events {
    /// Has everything that is stored written into them.
    settler: Option<Settler>,
    /// Ends the tasks.
    stop: watch::Sender<bool>,
    /// What is delivered to whom.
    relays: Vec<(&'static str, RelayStatus)>,
    /// How far the stream is; none without a broker.
    progress: Option<Arc<StreamProgress>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Events {
    /// Starts the relays: to this node's consumers, and to the broker where there is one.
    async fn relay(
        config: &Config,
        storage: &LocalStorage,
        internal: &Internal,
        hub: &Arc<Hub>,
    ) -> anyhow::Result<Self> {
        let mut events = Self::default();
        let Some(database) = storage.local(&config.internal.events_database) else { return Ok(events) };
        events.settler = config.internal.settler(internal);
        if let Some(settler) = events.settler.clone() {
            let every = Duration::from_millis(config.internal.settle_interval_ms);
            let settling = settler.run(database.commits(), every, events.stop.subscribe());
            events.tasks.push(tokio::spawn(settling));
        }
        let route = EventRoute { internal: internal.clone(), hub: hub.clone() };
        let relay = Relay::new(EventTable::open(database).await?, route);
        events.start("consumers", relay);
        if let Some(settings) = config.stream.settings() {
            let topic = FluvioTopic::new(settings, config.stream.topic(&config.node.region));
            let own = EventTable::open(database).await?;
            let relay = Relay::new(EventTable::open(database).await?, Publish::new(topic, own));
            let table = EventTable::open(database).await?;
            let progress = StreamProgress::new(table, relay.status(), events.settler.clone());
            events.progress = Some(Arc::new(progress));
            events.start("stream", relay);
        }
        Ok(events)
    }

    fn start<D: Deliver>(&mut self, to: &'static str, relay: Relay<D>) {
        self.relays.push((to, relay.status()));
        self.tasks.push(tokio::spawn(relay.run(self.stop.subscribe())));
    }
}

/// The application's variables on this node, and the secret among them by which it knows the host.
pub(crate) fn variables(
    config: &Config,
) -> anyhow::Result<(std::collections::BTreeMap<String, String>, String)> {
    let mut variables = config.variables.clone();
    for name in &config.internal.generated_variables {
        if !variables.contains_key(name) {
            variables.insert(name.clone(), secrets::kept(&config.node.data, name)?);
        }
    }
    let secret = secrets::random()?;
    variables.insert(config.internal.secret_variable.clone(), secret.clone());
    Ok((variables, secret))
}

/// Fires timers at an interval.
pub(crate) async fn tick<T, E: Display>(
    fire: impl AsyncFn() -> Result<T, E>,
    interval: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = fire().await {
            tracing::warn!(%error, "tick failed");
        }
    }
}
