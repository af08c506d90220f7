//! A real libSQL server for tests.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::root;

/// How long a server has to begin answering.
const PATIENCE: Duration = Duration::from_secs(20);

/// A libSQL server on loopback, with its data in a folder of its own. It ends with this.
pub struct Sqld {
    program: PathBuf,
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
}

impl Sqld {
    /// Starts a server; none where this machine has none, which is said.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(test: &str) -> Option<Self> {
        let program = std::env::var_os("PETWALKER_SQLD")
            .map_or_else(|| root().join("target/sqld/package/sqld"), PathBuf::from);
        if !program.exists() {
            eprintln!("skipped: {test} (no libSQL server at {}; .ci/setup installs one)", program.display());
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { program, child: None, port: free.port(), folder };
        server.resume().await;
        Some(server)
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
    }

    /// Removes its data. It must not run.
    ///
    /// # Panics
    /// When it cannot be removed.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "end it first");
        self.folder = tempfile::tempdir().expect("a folder");
    }

    /// Starts it where it was, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn resume(&mut self) {
        let child = Command::new(&self.program)
            .arg("--db-path")
            .arg(self.folder.path().join("primary"))
            .args(["--http-listen-addr", &format!("127.0.0.1:{}", self.port)])
            .arg("--no-welcome")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
        let started = Instant::now();
        let health = format!("{}/health", self.url());
        edge_node::choose_tls_provider();
        while reqwest::get(&health).await.is_err() {
            assert!(started.elapsed() < PATIENCE, "the server does not answer at {health}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Sqld {
    fn drop(&mut self) {
        self.kill();
    }
}
