//! A server under measurement, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::prepare::TOKEN_SEED;

/// A child process that is killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address as a URL.
    pub(crate) url: String,
    /// From its start to its first answer.
    pub(crate) started_in: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing more to do with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts the native baseline.
    pub(crate) async fn native(data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["native", "--data"]).arg(data).stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().context("the native server does not start")?;
        let output = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Self::ready(child, format!("http://{}", line.trim()), begun).await
    }

    /// Starts the node from its own program.
    pub(crate) async fn node(program: &Path, root: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::node_with(program, root, data, "").await
    }

    /// The same with the limits that a node has by default.
    pub(crate) async fn guarded(program: &Path, root: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start(program, root, data, [""; 2]).await
    }

    /// The same, which believes this machine about the addresses of clients.
    pub(crate) async fn behind_a_proxy(program: &Path, root: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start(program, root, data, ["trusted_proxies = [\"127.0.0.1/32\"]\n", ""]).await
    }

    /// The same without throttling.
    pub(crate) async fn unthrottled(program: &Path, root: &Path, data: &Path) -> anyhow::Result<Self> {
        let sections = "[throttle]\nclasses = []\nat_once_per_address = 10000\n";
        Self::start(program, root, data, ["connections_per_address_max = 20000\n", sections]).await
    }

    /// The same with more in its node file, and without limits that a load from one address would meet.
    pub(crate) async fn node_with(
        program: &Path,
        root: &Path,
        data: &Path,
        more: &str,
    ) -> anyhow::Result<Self> {
        let sections = format!(
            "[throttle]\nfactor = 1000\nat_once_per_address = 10000\n\
             turns_at_once = 64\nturns_waiting_max = 10000\nturn_wait_ms = 30000\n\
             [sockets]\nsockets_per_address_max = 20000\nsockets_per_account_max = 20000\n{more}"
        );
        Self::start(program, root, data, ["connections_per_address_max = 20000\n", &sections]).await
    }

    async fn start(
        program: &Path,
        root: &Path,
        data: &Path,
        [listen, sections]: [&str; 2],
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let file = data.join("node.toml");
        let text = format!(
            "[node]\ndata = {data:?}\nmanifest = {manifest:?}\ncache = {cache:?}\n\
             [listen]\npublic = \"127.0.0.1:{port}\"\nadmin = \"127.0.0.1:0\"\n\
             {listen}[log]\nfilter = \"warn\"\n[variables]\ntoken_seed = \"{TOKEN_SEED}\"\napproval = \"unneeded\"\n{sections}",
            manifest = root.join("spin.toml"),
            cache = root.join("target/bench-cache"),
        );
        std::fs::write(&file, text)?;
        let begun = Instant::now();
        let child = Command::new(program)
            .args(["up", "--node"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .context("the node does not start")?;
        Self::ready(child, format!("http://127.0.0.1:{port}"), begun).await
    }

    async fn ready(child: Child, url: String, begun: Instant) -> anyhow::Result<Self> {
        let mut server = Self { child, url, started_in: Duration::ZERO };
        let probe = format!("{}/v1/hello", server.url);
        loop {
            if reqwest::get(&probe).await.is_ok_and(|r| r.status().is_success()) {
                server.started_in = begun.elapsed();
                return Ok(server);
            }
            ensure!(server.child.try_wait()?.is_none(), "the server ended before it answered");
            ensure!(begun.elapsed() < Duration::from_secs(180), "the server does not answer at {probe}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// User and system time it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib * 1024)
    }
}

/// User and system time of a process, by its id or "self".
pub(crate) fn cpu_of(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').context("an unreadable stat")?.1.split_whitespace();
    // Fields 14 and 15 of proc(5), in ticks of a hundredth of a second.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The node's program, built as this one was, and the components.
pub(crate) fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("edge");
    let is_release = program.parent().is_some_and(|folder| folder.ends_with("release"));
    eprintln!("building the node and its components where they are not up to date");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--bin", "edge"])
        .args(is_release.then_some("--release"))
        .current_dir(root);
    ensure!(cargo.status().context("cargo does not start")?.success(), "the node did not build");
    let built = Command::new(&program).arg("build").current_dir(root).stdout(Stdio::null()).status()?;
    ensure!(built.success(), "the components did not build");
    Ok(program)
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
