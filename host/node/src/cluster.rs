//! Several edges on this machine, each on threads of its own, so that one can be killed and the others go on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::runtime::Runtime;

use crate::config::{Config, PeersSection, Primary, Worth, read_atlas};
use crate::node::ADMIN_TOKEN;
use crate::{Commons, Node, secrets};

/// The regions and where they are.
const REGIONS: &str = include_str!("../../../edge-config/regions.toml");
/// How long every region may take to get an owner.
const OWNED_TIMEOUT: Duration = Duration::from_secs(30);

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many edges, 2 to 9.
    pub edges: u16,
    /// The folder of all data.
    pub data: PathBuf,
    /// The first edge's port; the others' follow, ten apart. None takes free ones.
    pub port: Option<u16>,
    /// A Fluvio cluster's controller; none keeps the streams in files.
    pub fluvio: Option<String>,
    /// Copies of each record there.
    pub replicas: u32,
    /// A libSQL server's URL; none keeps the global database in a file that the edges share.
    pub libsql: Option<String>,
    /// How long a lease lasts.
    pub lease_ttl: Duration,
}

/// Edges that run in this process.
pub struct Cluster {
    edges: Vec<Member>,
    folder: PathBuf,
    operator_code: String,
    admin_token: String,
}

/// One edge of a cluster.
struct Member {
    name: String,
    url: String,
    admin: String,
    running: Option<(Runtime, Node)>,
}

impl Cluster {
    /// Starts the edges and waits until every region has an owner. Blocks; call it outside of a runtime.
    ///
    /// # Errors
    /// When an edge does not start.
    pub fn start(options: &ClusterOptions, base: &Config) -> anyhow::Result<Self> {
        let configs = configure(options, base)?;
        let folder = std::path::absolute(&options.data)?;
        let commons = Commons::default();
        let operator_code = secrets::kept(&folder, "operator_code")?;
        let admin_token = secrets::kept(&folder, ADMIN_TOKEN)?;
        let mut cluster = Self { edges: Vec::new(), folder, operator_code, admin_token };
        for config in configs {
            let name = config.node.name.clone();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name(name.clone())
                .enable_all()
                .build()
                .context("a runtime cannot start")?;
            let node = runtime.block_on(Node::start_with(&config, &commons)).with_context(|| name.clone())?;
            let (url, admin) =
                (format!("http://{}", node.public_address()), format!("http://{}", node.admin_address()));
            cluster.edges.push(Member { name, url, admin, running: Some((runtime, node)) });
        }
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let owned =
            waiting.block_on(async { tokio::time::timeout(OWNED_TIMEOUT, cluster.all_owned()).await });
        owned.context("some region got no owner in time")??;
        Ok(cluster)
    }

    async fn all_owned(&self) -> anyhow::Result<()> {
        let regions = read_atlas(&self.folder.join("regions.toml"))?.regions;
        for region in regions {
            while self.owner(&region.name).await?.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// The edges that run: their names, and the URLs for clients and for operators.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let running = self.edges.iter().filter(|edge| edge.running.is_some());
        running.map(|edge| (edge.name.as_str(), edge.url.as_str(), edge.admin.as_str()))
    }

    /// The code by which operators sign up.
    #[must_use]
    pub fn operator_code(&self) -> &str {
        &self.operator_code
    }

    /// The token that opens what changes something on the edges' admin listeners.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The folder of all data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The edge that answers for a region now.
    ///
    /// # Errors
    /// When an edge that runs cannot be asked.
    pub async fn owner(&self, region: &str) -> anyhow::Result<Option<String>> {
        let admins: Vec<_> =
            self.edges().map(|(name, _, admin)| (name.to_owned(), admin.to_owned())).collect();
        owner_among(&admins, region).await
    }

    /// Kills an edge: everything that it does ends at once, in the middle of whatever it was doing.
    pub fn kill(&mut self, edge: &str) {
        let member = self.edges.iter_mut().find(|member| member.name == edge);
        if let Some((runtime, node)) = member.and_then(|member| member.running.take()) {
            runtime.shutdown_background();
            drop(node);
        }
    }

    /// Stops every edge that runs and lets it finish.
    pub fn stop(mut self) {
        for member in &mut self.edges {
            if let Some((runtime, node)) = member.running.take() {
                runtime.block_on(node.stop());
                runtime.shutdown_timeout(Duration::from_secs(5));
            }
        }
    }
}

/// The edge that answers for a region, of those with these names and admin URLs.
///
/// # Errors
/// When one of them cannot be asked.
pub(crate) async fn owner_among(admins: &[(String, String)], region: &str) -> anyhow::Result<Option<String>> {
    for (name, admin) in admins {
        let status: serde_json::Value = reqwest::get(format!("{admin}/status")).await?.json().await?;
        let mut regions = status["regions"].as_array().into_iter().flatten();
        if regions.any(|known| known["name"] == region && known["owned"] == true) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// The file of a region at an edge of the cluster in that folder.
pub(crate) fn region_file(folder: &Path, edge: &str, region: &str) -> PathBuf {
    folder.join(edge).join("regions").join(format!("{region}.db"))
}

/// Writes what the edges of a cluster share, certificates and the file of regions, and says how each is configured.
///
/// # Errors
/// When a file cannot be written.
pub fn configure(options: &ClusterOptions, base: &Config) -> anyhow::Result<Vec<Config>> {
    ensure!((2..=9).contains(&options.edges), "a cluster here has 2 to 9 edges");
    let folder = std::path::absolute(&options.data)?;
    edge_data::private::create_folder(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let ports = ports(options)?;
    let atlas = write_atlas(&folder, &ports)?;
    let authority = Authority::open(&folder.join("peers"))?;
    let mut configs = Vec::new();
    for (index, ports) in ports.iter().enumerate() {
        let name = edge_name(index);
        let mut config = configure_edge(base, options, &folder, &name, ports)?;
        config.regions.file = Some(atlas.clone());
        config.peers = Some(authority.peers(&name, ports.peer)?);
        configs.push(config);
    }
    Ok(configs)
}

/// Where an edge listens.
struct Ports {
    public: u16,
    admin: u16,
    peer: u16,
}

fn edge_name(index: usize) -> String {
    format!("edge-{}", index + 1)
}

/// A port that nobody listens on. It lies below those that systems give to outgoing connections (32768 and up), one of which
/// could take it before the edge does; and no cluster of this process gets it again soon.
fn free_port() -> anyhow::Result<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let turn = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + start.wrapping_add(turn) % COUNT)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port from {FIRST} to {} is free", FIRST + COUNT - 1)
}

fn ports(options: &ClusterOptions) -> anyhow::Result<Vec<Ports>> {
    (0..options.edges)
        .map(|index| match options.port {
            Some(first) => {
                let public = first + 10 * index;
                Ok(Ports { public, admin: public + 1, peer: public + 2 })
            }
            None => Ok(Ports { public: free_port()?, admin: free_port()?, peer: free_port()? }),
        })
        .collect()
}

/// Writes the file of regions and edges: the product's own regions, each with these edges in another order.
fn write_atlas(folder: &Path, ports: &[Ports]) -> anyhow::Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Real {
        region: Vec<toml::Table>,
        edge: Vec<toml::Table>,
    }
    let Real { region: mut regions, edge: places } = toml::from_str(REGIONS)?;
    regions.truncate(ports.len().max(3));
    for (index, region) in regions.iter_mut().enumerate() {
        let order = (0..ports.len()).map(|turn| edge_name((index + turn) % ports.len()));
        region.insert("edges".to_owned(), toml::Value::Array(order.map(toml::Value::String).collect()));
    }
    let edges: Vec<toml::Table> = ports
        .iter()
        .zip(&places)
        .enumerate()
        .map(|(index, (ports, place))| {
            let mut edge = toml::Table::new();
            edge.insert("name".to_owned(), edge_name(index).into());
            edge.insert("url".to_owned(), format!("http://127.0.0.1:{}", ports.public).into());
            edge.insert("peer".to_owned(), format!("127.0.0.1:{}", ports.peer).into());
            for key in ["lat", "lon"] {
                if let Some(value) = place.get(key) {
                    edge.insert(key.to_owned(), value.clone());
                }
            }
            edge
        })
        .collect();
    let mut file = toml::Table::new();
    file.insert("edge".to_owned(), edges.into());
    file.insert("region".to_owned(), regions.into());
    let path = folder.join("regions.toml");
    std::fs::write(&path, file.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn configure_edge(
    base: &Config,
    options: &ClusterOptions,
    folder: &Path,
    name: &str,
    ports: &Ports,
) -> anyhow::Result<Config> {
    let mut config = base.clone();
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    config.node.name = name.to_owned();
    config.node.data = folder.join(name);
    config.node.cache = Some(base.node.cache.clone().unwrap_or_else(|| folder.join("cache")));
    config.listen.public = at(ports.public);
    config.listen.admin = at(ports.admin);
    config.regions.lease_ttl_ms = u64::try_from(options.lease_ttl.as_millis())?;
    match &options.fluvio {
        Some(endpoint) => {
            config.stream.fluvio.clone_from(endpoint);
            config.stream.replicas = options.replicas;
        }
        None => config.stream.folder = Some(folder.join("topics")),
    }
    if let Some(global) = config.databases.0.get_mut("global") {
        match &options.libsql {
            Some(url) => global.primary = Some(Primary::at(url)),
            None => global.file = folder.join("global.db"),
        }
    }
    for class in &mut config.durability.classes {
        // What a walk depends on survives the edge that took it.
        if class.name == "lifecycle" {
            class.level = Worth::Stream;
        }
    }
    // One operator: the token of the cluster opens every edge.
    let token = secrets::kept(folder, ADMIN_TOKEN)?;
    secrets::share(&config.node.data, ADMIN_TOKEN, &token)?;
    // One service: a token of one edge is good at every other.
    for variable in &config.internal.generated_variables {
        let value = secrets::kept(folder, variable)?;
        config.variables.entry(variable.clone()).or_insert(value);
    }
    Ok(config)
}

/// Signs the certificates by which the edges of a cluster know each other.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority whose key is kept nowhere.
    fn open(folder: &Path) -> anyhow::Result<Self> {
        edge_data::private::create_folder(folder)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key)?;
        std::fs::write(folder.join("authority.pem"), certificate.pem())?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) })
    }

    fn peers(&self, name: &str, port: u16) -> anyhow::Result<PeersSection> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![format!("{name}.edge.internal")])?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let path = |kind: &str| self.folder.join(format!("{name}-{kind}.pem"));
        std::fs::write(path("certificate"), signed.pem())?;
        secrets::write_private(&path("key"), key.serialize_pem().as_bytes())?;
        Ok(PeersSection {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            certificate: path("certificate"),
            key: path("key"),
            authority: self.folder.join("authority.pem"),
        })
    }
}
