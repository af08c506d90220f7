//! Edges in processes of their own, which can be killed, stopped and started again.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use edge_node::Config;
use edge_node::cluster::{ClusterOptions, configure};
use edge_node::config::Worth;
use serde_json::Value;

use crate::cable::Cable;
use crate::{Client, config};

/// Names the node file for the process that is to run it.
pub const NODE_FILE: &str = "PETWALKER_TEST_NODE_FILE";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// How edges are to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many.
    pub count: u16,
    /// The libSQL server.
    pub libsql: String,
    /// Terms of leases.
    pub ttl: Duration,
    /// The test that runs a node file in a process of its own.
    pub program: String,
    /// Whether they reach the server and each other by cables that can be cut.
    pub cables: bool,
    /// By how many seconds each one's clock is wrong; empty for right ones. Needs libfaketime.
    pub clocks_off_s: Vec<i64>,
    /// A Fluvio cluster that keeps the topics; files where there is none.
    pub fluvio: Option<String>,
}

/// One edge.
pub struct EdgeProcess {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub url: String,
    admin: String,
    file: PathBuf,
    child: Option<Child>,
    clock_off_s: Option<i64>,
    cables: Option<Cables>,
}

/// What an edge reaches the others by.
struct Cables {
    primary: Cable,
    peers: Vec<(usize, Cable)>,
}

/// Edges on this machine, each in a process of its own: topics in files, the global database at a libSQL server.
pub struct Edges {
    /// The edges.
    pub all: Vec<EdgeProcess>,
    /// Their data.
    pub folder: tempfile::TempDir,
    program: Vec<String>,
}

/// Where libfaketime is, which changes the clock of a process; none where it is not installed.
#[must_use]
pub fn faketime() -> Option<&'static Path> {
    let path = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
    path.exists().then_some(path)
}

impl Edges {
    /// Starts edges, each in a folder that `prepare` is given before.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start(plan: &Plan, prepare: impl Fn(&Path)) -> Self {
        edge_node::choose_tls_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let options = ClusterOptions {
            edges: plan.count,
            data: folder.path().to_owned(),
            port: None,
            fluvio: plan.fluvio.clone(),
            replicas: 2,
            libsql: Some(plan.libsql.clone()),
            lease_ttl: plan.ttl,
        };
        let mut configs = configure(&options, &config(folder.path())).expect("configured");
        let mut all = Vec::new();
        for index in 0..configs.len() {
            // Topics of its own in a cluster that others use too.
            configs[index].stream.topic_prefix = format!("t{}-", std::process::id());
            let cables = if plan.cables { Some(lay(&mut configs, index).await) } else { None };
            prepare(&configs[index].node.data);
            let mut edge = write(folder.path(), &configs[index]);
            (edge.cables, edge.clock_off_s) = (cables, plan.clocks_off_s.get(index).copied());
            all.push(edge);
        }
        let program = vec![plan.program.clone(), "--exact".into(), "--ignored".into(), "--nocapture".into()];
        let mut edges = Self { all, folder, program };
        for index in 0..edges.all.len() {
            edges.resume(index);
        }
        edges.owner_of("sao-paulo-centro", PATIENCE).await;
        edges
    }

    /// Cuts an edge off from the primary, and from the other edges too where `peers` says so.
    ///
    /// # Panics
    /// When there are no cables.
    pub fn cut_off(&self, index: usize, peers: bool) {
        self.cables_of(index, peers).for_each(Cable::cut);
    }

    /// Mends what was cut.
    ///
    /// # Panics
    /// When there are no cables.
    pub fn mend(&self, index: usize) {
        self.cables_of(index, true).for_each(Cable::mend);
    }

    /// An edge's cable to the primary, and those between it and the other edges.
    fn cables_of(&self, index: usize, peers: bool) -> impl Iterator<Item = &Cable> {
        let own = self.all[index].cables.as_ref().expect("edges with cables");
        let between = self.all.iter().enumerate().flat_map(move |(from, edge)| {
            let cables = edge.cables.as_ref().into_iter().flat_map(|cables| &cables.peers);
            cables.filter(move |(to, _)| from == index || *to == index).map(|(_, cable)| cable)
        });
        std::iter::once(&own.primary).chain(between.filter(move |_| peers))
    }

    /// Has all edges use topics of another name from their next start on.
    ///
    /// # Panics
    /// When a node file cannot be changed.
    pub fn move_topics(&self, prefix: &str) {
        for edge in &self.all {
            let text = std::fs::read_to_string(&edge.file).expect("a node file");
            let (before, rest) = text.split_once("topic_prefix = ").expect("a prefix");
            let (_, after) = rest.split_once('\n').expect("a line");
            std::fs::write(&edge.file, format!("{before}topic_prefix = {prefix:?}\n{after}"))
                .expect("written");
        }
    }

    /// Starts an edge that does not run.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self, index: usize) {
        let edge = &mut self.all[index];
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(edge.file.with_extension("log"))
            .expect("a log");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        if let (Some(off_s), Some(library)) = (edge.clock_off_s, faketime()) {
            // The wall clock alone: no clock of hardware ever jumps.
            command.env("LD_PRELOAD", library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME", format!("{off_s:+}s"));
        }
        let mut child = command
            .args(&self.program)
            .env(NODE_FILE, &edge.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("listening on ")), "{} did not start", edge.name);
        // Somebody has to read the rest, or the process fails at writing it.
        std::thread::spawn(move || lines.for_each(drop));
        edge.child = Some(child);
    }

    /// Ends an edge at once, as a power cut would.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self, index: usize) {
        let mut child = self.all[index].child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("gone");
    }

    /// Has an edge stand still; returns when every thread of it does.
    ///
    /// # Panics
    /// When it cannot be told to, or does not.
    pub fn stand_still(&self, index: usize) {
        let id = self.signal(index, "-STOP");
        let started = Instant::now();
        // The signal was sent when `kill` returns, and takes effect a little later: until then the edge may still answer.
        while !all_stand_still(id) {
            assert!(started.elapsed() < PATIENCE, "process {id} goes on");
            std::thread::yield_now();
        }
    }

    /// Has an edge that stands still go on.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub fn go_on(&self, index: usize) {
        self.signal(index, "-CONT");
    }

    fn signal(&self, index: usize, signal: &str) -> u32 {
        let id = self.all[index].child.as_ref().expect("it runs").id();
        let done = Command::new("kill").args([signal, &id.to_string()]).status().expect("kill");
        assert!(done.success(), "kill {signal} {id}");
        id
    }

    /// What an edge says of itself; none where it does not answer.
    pub async fn status(&self, index: usize) -> Option<Value> {
        let edge = &self.all[index];
        edge.child.as_ref()?;
        let http = reqwest::Client::builder().timeout(Duration::from_millis(500)).build().ok()?;
        http.get(format!("{}/status", edge.admin)).send().await.ok()?.json().await.ok()
    }

    /// What an edge says of a region.
    pub async fn region(&self, index: usize, region: &str) -> Option<Value> {
        let status = self.status(index).await?;
        status["regions"].as_array()?.iter().find(|known| known["name"] == region).cloned()
    }

    /// Waits until a region has an owner among the edges that answer; its index.
    ///
    /// # Panics
    /// When none comes.
    pub async fn owner_of(&self, region: &str, patience: Duration) -> usize {
        let started = Instant::now();
        loop {
            for index in 0..self.all.len() {
                if self.region(index, region).await.is_some_and(|known| known["owned"] == true) {
                    return index;
                }
            }
            assert!(started.elapsed() < patience, "nobody owns {region}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every edge that runs stands at the same event of a region, the owner having published all of it.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn converged(&self, region: &str) -> u64 {
        let started = Instant::now();
        loop {
            let mut seqs = Vec::new();
            for index in 0..self.all.len() {
                if let Some(known) = self.region(index, region).await {
                    seqs.push(known["seq"].as_u64().expect("a number"));
                }
            }
            if seqs.len() > 1 && seqs.iter().all(|seq| *seq == seqs[0] && *seq > 0) {
                return seqs[0];
            }
            assert!(started.elapsed() < PATIENCE, "the edges stand at {seqs:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What an edge finds when it compares what all of them hold of a region.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn verify(&self, index: usize, region: &str) -> Value {
        let url = format!("{}/regions/{region}/verify", self.all[index].admin);
        reqwest::get(url).await.expect("an answer").json().await.expect("JSON")
    }

    /// Asks a region's owner to hand it over; what it answered.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn hand_over(&self, owner: usize, region: &str, to: usize) -> (u16, String) {
        let url = format!("{}/regions/{region}/hand-over?to={}", self.all[owner].admin, self.all[to].name);
        let token = std::fs::read_to_string(self.folder.path().join("secrets/admin_token")).expect("a token");
        let wish = reqwest::Client::new().post(url).bearer_auth(token);
        let answer = wish.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("read"))
    }

    /// What an edge's node file says.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn config(&self, index: usize) -> Config {
        Config::load(&self.all[index].file).expect("a node file")
    }

    /// A client of an edge.
    #[must_use]
    pub fn client(&self, index: usize) -> Client {
        Client::of(&self.all[index].url)
    }

    /// The file of a region at an edge.
    #[must_use]
    pub fn file(&self, index: usize, region: &str) -> PathBuf {
        self.folder.path().join(&self.all[index].name).join("regions").join(format!("{region}.db"))
    }

    /// Tells every edge to stop, and waits for it.
    ///
    /// # Panics
    /// When one does not end.
    pub fn stop(mut self) {
        for edge in &mut self.all {
            if let Some(mut child) = edge.child.take() {
                drop(child.stdin.take());
                child.wait().expect("gone");
            }
        }
    }
}

impl Drop for Edges {
    fn drop(&mut self) {
        for edge in &mut self.all {
            if let Some(mut child) = edge.child.take() {
                // A test failed: what is left is ended.
                drop(child.kill());
                drop(child.wait());
            }
            if std::thread::panicking()
                && let Ok(log) = std::fs::read_to_string(edge.file.with_extension("log"))
            {
                let from = log.len().saturating_sub(6_000);
                eprintln!("the log of {} ends:\n{}", edge.name, log.get(from..).unwrap_or(&log));
            }
        }
    }
}

/// Whether every thread of a process is stopped, as proc(5) tells: the state stands behind the name, which is in brackets.
fn all_stand_still(process: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

/// Writes an edge's node file.
fn write(folder: &Path, config: &Config) -> EdgeProcess {
    let mut text = String::new();
    let mut put = |line: String| writeln!(text, "{line}").expect("a string takes it");
    let path = |path: &Path| path.display().to_string();
    put(format!("[node]\nname = {:?}\nregion = {:?}", config.node.name, config.node.region));
    put(format!("data = {:?}\nmanifest = {:?}", path(&config.node.data), path(&config.node.manifest)));
    put(format!("cache = {:?}", path(config.node.cache.as_deref().expect("a cache"))));
    put(format!("[listen]\npublic = {:?}", config.listen.public.to_string()));
    put(format!("admin = {:?}\nshutdown_grace_ms = 3000", config.listen.admin.to_string()));
    put(format!("connections_per_address_max = {}", config.listen.connections_per_address_max));
    put(format!("[throttle]\nfactor = {}", config.throttle.factor));
    put(format!("at_once_per_address = {}", config.throttle.at_once_per_address));
    put(format!("waiting_per_address_max = {}", config.throttle.waiting_per_address_max));
    put(format!("turns_at_once = {}", config.throttle.turns_at_once));
    put(format!("turns_waiting_max = {}", config.throttle.turns_waiting_max));
    put(format!("turn_wait_ms = {}", config.throttle.turn_wait_ms));
    put(format!("[sockets]\nsockets_per_address_max = {}", config.sockets.sockets_per_address_max));
    put(format!("sockets_per_account_max = {}", config.sockets.sockets_per_account_max));
    put(format!("[internal]\ntick_interval_ms = {}", config.internal.tick_interval_ms));
    put("[log]\nfilter = \"info,http=warn\"".to_owned());
    for (label, database) in &config.databases.0 {
        put(format!("[databases.{label}]\nfile = {:?}", path(&database.file)));
        put(format!("migrations = {:?}", path(&database.migrations)));
        if let Some(primary) = &database.primary {
            put(format!("[databases.{label}.primary]\nurl = {:?}\nsync_interval_ms = 200", primary.url));
        }
    }
    put(format!(
        "[stream]\ntopic_prefix = {:?}\nreplicas = {}",
        config.stream.topic_prefix, config.stream.replicas
    ));
    match &config.stream.folder {
        Some(folder) => put(format!("folder = {:?}", path(folder))),
        None => put(format!("fluvio = {:?}", config.stream.fluvio)),
    }
    put(format!("[regions]\nfile = {:?}", path(config.regions.file.as_deref().expect("a file"))));
    put(format!("lease_ttl_ms = {}", config.regions.lease_ttl_ms));
    let peers = config.peers.as_ref().expect("peers");
    put(format!(
        "[peers]\nlisten = {:?}\ncertificate = {:?}",
        peers.listen.to_string(),
        path(&peers.certificate)
    ));
    put(format!("key = {:?}\nauthority = {:?}", path(&peers.key), path(&peers.authority)));
    put("[variables]".to_owned());
    for (name, value) in &config.variables {
        put(format!("{name} = {value:?}"));
    }
    for class in &config.durability.classes {
        let level = if class.level == Worth::Stream { "stream" } else { "local" };
        put(format!("[[durability.classes]]\nname = {:?}\nlevel = {level:?}", class.name));
        put(format!("routes = {:?}\nreads_too = {}", class.routes, class.reads_too));
    }
    let file = folder.join(format!("{}.toml", config.node.name));
    std::fs::write(&file, text).expect("written");
    let (url, admin) =
        (format!("http://{}", config.listen.public), format!("http://{}", config.listen.admin));
    let name = config.node.name.clone();
    EdgeProcess { name, url, admin, file, child: None, clock_off_s: None, cables: None }
}

/// Has an edge reach the primary and the other edges by cables.
async fn lay(configs: &mut [Config], index: usize) -> Cables {
    let peers: Vec<SocketAddr> =
        configs.iter().map(|config| config.peers.as_ref().expect("peers").listen).collect();
    let config = &mut configs[index];
    let global = config.databases.0.get_mut("global").and_then(|global| global.primary.as_mut());
    let global = global.expect("a primary");
    let server = global.url.trim_start_matches("http://").parse().expect("an address");
    let primary = Cable::to(server).await;
    global.url = format!("http://{}", primary.address);
    let shared = config.regions.file.clone().expect("a file");
    let mut atlas = std::fs::read_to_string(&shared).expect("read");
    let mut cables = Cables { primary, peers: Vec::new() };
    for (other, peer) in peers.into_iter().enumerate().filter(|(other, _)| *other != index) {
        let cable = Cable::to(peer).await;
        atlas =
            atlas.replace(&format!("{:?}", peer.to_string()), &format!("{:?}", cable.address.to_string()));
        cables.peers.push((other, cable));
    }
    let own = shared.with_file_name(format!("regions-{}.toml", config.node.name));
    std::fs::write(&own, atlas).expect("written");
    config.regions.file = Some(own);
    cables
}
