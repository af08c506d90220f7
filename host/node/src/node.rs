//! The layers put together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use edge_data::migrate;
use edge_data::{LocalDatabase, LocalKeyValue, LocalStorage, PoolOptions};
use edge_delivery::admin::Admin;
use edge_delivery::internal::{EventRoute, INTERNAL_HEADER};
use edge_delivery::{Hub, Internal, Listener, ObjectFolder, Public, Sockets};
use edge_runtime::{App, AppBuilder, Manifest};
use edge_streams::{EmbeddedStream, Relay, RelayStatus};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::secrets;

/// Why a node did not start.
pub type StartError = anyhow::Error;

/// A running node. Dropping it without [`Node::stop`] ends its tasks at once.
pub struct Node {
    public: SocketAddr,
    admin: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    sockets: Option<Arc<Sockets>>,
    grace: Duration,
    tasks: Vec<JoinHandle<()>>,
    listeners: Vec<JoinHandle<()>>,
}

/// A node's databases, open and migrated.
pub(crate) struct OpenData {
    pub(crate) storage: LocalStorage,
    /// Which migrations ran, by label.
    pub(crate) migrated: Vec<(String, Vec<String>)>,
}

/// Opens and migrates every database of the node.
pub(crate) async fn open_data(config: &Config, manifest: &Manifest) -> anyhow::Result<OpenData> {
    let data = &config.node.data;
    std::fs::create_dir_all(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))?;
    let options = PoolOptions {
        statement_timeout: Duration::from_millis(config.limits.statement_timeout_ms),
        ..PoolOptions::default()
    };
    let mut opened = OpenData { storage: LocalStorage::default(), migrated: Vec::new() };
    for (label, settings) in &config.databases.0 {
        let database = LocalDatabase::open(&data.join(&settings.file), options).await?;
        let migrations = migrate::read_folder(&manifest.root.join(&settings.migrations))?;
        let connection = database.connect().await?;
        let ran = migrate::run(&connection, &migrations)
            .await
            .with_context(|| format!("database '{label}' ({})", data.join(&settings.file).display()))?;
        opened.migrated.push((label.clone(), ran));
        opened.storage.add_database(label, database);
    }
    claim_region(config, &opened.storage).await?;
    let mut labels: Vec<&String> = manifest.components.values().flat_map(|c| &c.key_value_stores).collect();
    labels.sort();
    labels.dedup();
    if !labels.is_empty() {
        let file = LocalDatabase::open(&data.join("key-value.db"), options).await?;
        for label in labels {
            opened.storage.add_store(label, LocalKeyValue::open(file.clone(), label).await?);
        }
    }
    Ok(opened)
}

/// Notes in the event database which region it holds. A file of another region is refused.
async fn claim_region(config: &Config, storage: &LocalStorage) -> anyhow::Result<()> {
    let label = &config.internal.events_database;
    if label.is_empty() {
        return Ok(());
    }
    let database = storage.local(label).with_context(|| {
        format!("internal.events_database names '{label}', which [databases] does not have")
    })?;
    let connection = database.connect().await?;
    connection
        .execute(
            "INSERT OR IGNORE INTO region (one, name, epoch) VALUES (1, ?1, 1)",
            [config.node.region.as_str()],
        )
        .await?;
    let mut rows = connection.query("SELECT name FROM region WHERE one = 1", ()).await?;
    let name = rows.next().await?.map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
    anyhow::ensure!(
        name == config.node.region,
        "the data folder holds region '{name}' and the node file says '{}'",
        config.node.region
    );
    Ok(())
}

impl Node {
    /// Starts a node: opens and migrates its databases, loads its components, and listens.
    ///
    /// # Errors
    /// When any of it fails; the message says what and where.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let manifest = Manifest::load(&config.node.manifest)?;
        let opened = open_data(config, &manifest).await?;
        let (variables, secret) = variables(config)?;
        let storage = Arc::new(opened.storage);

        let mut builder = AppBuilder::new(manifest)
            .limits(config.limits.runtime())
            .storage(storage.clone())
            .variables(variables);
        let objects = &config.objects;
        if !objects.host.is_empty() {
            let folder = config.node.data.join(&objects.folder);
            let store = ObjectFolder::open(&objects.host, &folder, objects.object_kib << 10)
                .with_context(|| format!("the object folder {} cannot be used", folder.display()))?;
            builder = builder.in_process(Arc::new(store));
        }
        let cache: PathBuf = config.node.cache.clone().unwrap_or_else(|| config.node.data.join("cache"));
        let app = tokio::task::spawn_blocking(move || builder.load(&cache)).await??;
        let app = Arc::new(app);
        let internal = Internal::new(app.clone(), &config.internal.prefix, &secret)?;

        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(Hub::default());
        let mut tasks = Vec::new();
        let mut relay_status = None;
        if let Some(database) = storage.local(&config.internal.events_database) {
            let route = EventRoute { internal: internal.clone(), hub: hub.clone() };
            let relay = Relay::new(EmbeddedStream::open(database).await?, route);
            relay_status = Some(relay.status());
            tasks.push(tokio::spawn(relay.run(stopped.clone())));
        }
        if config.internal.tick_interval_ms > 0 {
            let interval = Duration::from_millis(config.internal.tick_interval_ms);
            tasks.push(tokio::spawn(tick(internal.clone(), interval, stopped.clone())));
        }
        let sockets = config.sockets.options();
        let sockets = sockets.map(|options| Sockets::new(options, internal, hub, stopped.clone()));
        Self::listen(config, app, sockets, stop, stopped, tasks, relay_status).await
    }

    async fn listen(
        config: &Config,
        app: Arc<App>,
        sockets: Option<Arc<Sockets>>,
        stop: watch::Sender<bool>,
        stopped: watch::Receiver<bool>,
        tasks: Vec<JoinHandle<()>>,
        relay: Option<RelayStatus>,
    ) -> Result<Self, StartError> {
        let tls = match &config.tls {
            Some(tls) => Some(edge_delivery::tls::acceptor(&tls.certificate, &tls.key)?),
            None => None,
        };
        // First of all: figures that are looked up before there is a recorder go nowhere.
        let metrics = crate::telemetry::metrics();
        let public = Arc::new(Public::new(
            app.clone(),
            config.limits.public(),
            config.internal.prefix.clone(),
            INTERNAL_HEADER,
            sockets.clone(),
            tls.is_some(),
        ));
        let ready = Arc::new(AtomicBool::new(true));
        let admin = Arc::new(Admin::new(app.clone(), relay, metrics, ready.clone()));
        let public_listener = Listener::bind(config.listen.public, tls).await?;
        let admin_listener = Listener::bind(config.listen.admin, None).await?;
        let (public_address, admin_address) = (public_listener.address(), admin_listener.address());
        let grace = Duration::from_millis(config.listen.shutdown_grace_ms);
        let serve_public = public_listener.serve(
            move |request, peer| {
                let public = public.clone();
                async move { public.handle(request, peer).await }
            },
            stopped.clone(),
            grace,
        );
        let serve_admin = admin_listener.serve(
            move |request, _| {
                let response = admin.handle(&request);
                async move { response }
            },
            stopped,
            grace,
        );
        let listeners = vec![tokio::spawn(serve_public), tokio::spawn(serve_admin)];
        Ok(Self {
            public: public_address,
            admin: admin_address,
            app,
            stop,
            ready,
            sockets,
            grace,
            tasks,
            listeners,
        })
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

    /// Stops accepting, lets what was accepted finish within the grace period, and ends.
    pub async fn stop(self) {
        self.ready.store(false, Ordering::Relaxed);
        self.stop.send_replace(true);
        if let Some(sockets) = &self.sockets
            && tokio::time::timeout(self.grace, sockets.ended()).await.is_err()
        {
            tracing::warn!("sockets were still open at the end of the grace period");
        }
        for task in self.listeners.into_iter().chain(self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the node failed");
            }
        }
        self.app.leave();
    }
}

/// The application's variables on this node, and the secret among them by which it knows the host.
fn variables(config: &Config) -> anyhow::Result<(std::collections::BTreeMap<String, String>, String)> {
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

/// Posts `tick` at an interval.
async fn tick(internal: Internal, interval: Duration, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = internal.post("tick", Vec::new()).await {
            tracing::warn!(%error, "tick failed");
        }
    }
}
