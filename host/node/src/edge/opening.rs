//! Opening what the regions of a node share, and what its listener for other edges and its router are told.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use edge_data::migrate;
use edge_delivery::regions::{Peers, RouterOptions};
use edge_delivery::{Bodies, ConnectionLimits};
use edge_runtime::Manifest;
use tokio::sync::watch;

use super::Shared;
use super::lease::LeaseBoard;
use crate::commons::Commons;
use crate::config::Config;
use crate::data::{Opened, open_database};
use crate::node::{Guards, variables};
use crate::secrets;

/// Limits of the listener for other edges. They keep their connections for a minute between requests; and it is the edge
/// with the client that gives up first on one that does not read.
pub(super) fn peer_limits() -> ConnectionLimits {
    ConnectionLimits {
        connections_max: 8_192,
        per_address_max: 8_192,
        exempt: Vec::new(),
        idle_timeout: Duration::from_secs(300),
        write_timeout: Duration::from_secs(60),
    }
}

pub(super) fn router_options(shared: &Shared) -> RouterOptions {
    let config = &shared.config;
    let (id_paths, home_paths) = config.regions.patterns();
    RouterOptions {
        // Checked when the file was read.
        header: config.regions.header.parse().unwrap_or(http::HeaderName::from_static("edge-of-region")),
        id_paths,
        home_paths,
        home: config.node.region.clone(),
        edges_path: config.regions.edges_path.clone(),
        wait: Duration::from_millis(config.regions.wait_ms),
        replay_bytes_max: config.limits.public().body_bytes_max,
        throttle: shared.guards.throttle.clone(),
    }
}

/// Opens what the regions share, and finds where the leases are.
pub(super) async fn open_shared(
    config: Config,
    commons: &Commons,
    peers: Arc<Peers>,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<(Shared, Arc<LeaseBoard>)> {
    let manifest = Manifest::load(&config.node.manifest)?;
    crate::data::prepare_folder(&config)?;
    let data = &config.node.data;
    let pool = config.limits.pool();
    let label = &config.internal.events_database;
    let events = config.databases.0.get(label).with_context(|| {
        format!("internal.events_database names '{label}', which [databases] does not have")
    })?;
    let migrations = migrate::read_folder(&manifest.root.join(&events.migrations))?;
    let (mut locals, mut replicated, mut board) = (Vec::new(), Vec::new(), None);
    for (name, settings) in config.databases.0.iter().filter(|(name, _)| *name != label) {
        let (opened, _) = open_database(&config, &manifest, name, settings, commons).await?;
        if *name == config.regions.database {
            board = Some(match &opened {
                Opened::Local(database) => LeaseBoard::Local(database.clone()),
                Opened::Replicated(_, primary) => LeaseBoard::Remote(primary.clone()),
            });
        }
        match opened {
            Opened::Local(database) => locals.push((name.clone(), database)),
            Opened::Replicated(database, _) => replicated.push((name.clone(), database)),
        }
    }
    let board = board.context("regions.database must be another database than the events'")?;
    let (variables, secret) = variables(&config)?;
    let cache = config.node.cache.clone().unwrap_or_else(|| data.join("cache"));
    let runtime = commons.runtime(config.runtime_limits(), cache).await?;
    let objects = crate::node::objects(&config)?;
    let id = secrets::kept(data, "node_id")?;
    let holder = format!("{}/{}", config.node.name, &id[..12]);
    let guards = Guards::new(&config, stopped.clone());
    let bodies = Bodies::new(config.admission.bodies(&config.limits));
    let shared = Shared {
        config,
        guards,
        manifest,
        runtime,
        pool,
        migrations,
        variables,
        secret,
        objects,
        bodies,
        locals,
        replicated,
        peers,
        holder,
    };
    Ok((shared, Arc::new(board)))
}
