//! Edges in processes of their own, which can be killed, stopped and started again.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use edge_node::Config;
use edge_node::cluster::{ClusterOptions, configure};
use edge_node::config::Worth;
use serde_json::Value;

use crate::{Client, config};

/// Names the node file for the process that is to run it.
pub const NODE_FILE: &str = "PETWALKER_TEST_NODE_FILE";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// One edge.
pub struct EdgeProcess {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub url: String,
    admin: String,
    file: PathBuf,
    child: Option<Child>,
}

/// Edges on this machine, each in a process of its own: topics in files, the global database at a libSQL server.
pub struct Edges {
    /// The edges.
    pub all: Vec<EdgeProcess>,
    /// Their data.
    pub folder: tempfile::TempDir,
    program: Vec<String>,
}

impl Edges {
    /// Starts `count` edges; `test` is the test that runs a node file in a process of its own.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start(count: u16, libsql: &str, ttl: Duration, test: &str) -> Self {
        edge_node::choose_tls_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let options = ClusterOptions {
            edges: count,
            data: folder.path().to_owned(),
            port: None,
            fluvio: None,
            replicas: 1,
            libsql: Some(libsql.to_owned()),
            lease_ttl: ttl,
        };
        let configs = configure(&options, &config(folder.path())).expect("configured");
        let all = configs.iter().map(|config| write(folder.path(), config)).collect();
        let program = vec![test.to_owned(), "--exact".into(), "--ignored".into(), "--nocapture".into()];
        let mut edges = Self { all, folder, program };
        for index in 0..edges.all.len() {
            edges.resume(index);
        }
        edges.owner_of("sao-paulo-centro", PATIENCE).await;
        edges
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
        let mut child = Command::new(std::env::current_exe().expect("this program"))
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
        let answer = reqwest::Client::new().post(url).send().await.expect("an answer");
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
    put(format!("[internal]\ntick_interval_ms = {}", config.internal.tick_interval_ms));
    put("[log]\nfilter = \"info,http=warn\"".to_owned());
    for (label, database) in &config.databases.0 {
        put(format!("[databases.{label}]\nfile = {:?}", path(&database.file)));
        put(format!("migrations = {:?}", path(&database.migrations)));
        if let Some(primary) = &database.primary {
            put(format!("[databases.{label}.primary]\nurl = {:?}\nsync_interval_ms = 200", primary.url));
        }
    }
    put(format!("[stream]\nfolder = {:?}", path(config.stream.folder.as_deref().expect("a folder"))));
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
    EdgeProcess { name: config.node.name.clone(), url, admin, file, child: None }
}
