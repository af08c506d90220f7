//! A database with one primary elsewhere and a replica file here.
//!
//! Reads are the replica's, at the speed of a local file. A transaction that writes is the primary's from its first
//! statement on. The primary counts its writes in a row of their own (`write_sequence`), and the replica shows how many it
//! has: that, and not libSQL's frame number, which starts over when a primary rebuilds its log, is what a reader waits for
//! who must see a write. Until the replica has it, reads go to the primary.

mod connection;
mod connector;
mod copy;
mod primary;
mod replica;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use edge_runtime::storage::{SqlConnection, SqlDatabase, SqlError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use self::connection::ReplicatedConnection;
pub use self::connector::remote;
pub use self::copy::copy_of_primary;
use self::primary::Primary;
use self::replica::Replica;
use crate::local::{OpenError, PoolOptions};

/// How long what is under way at the end may take before it is broken off.
const CLOSING: Duration = Duration::from_secs(2);

/// How a replicated database is kept.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// The primary's URL, `http://` or `https://`.
    pub url: String,
    /// The token that the primary wants; empty for none.
    pub token: String,
    /// The folder of the replica's files.
    pub folder: PathBuf,
    /// Limits of the pool that reads.
    pub pool: PoolOptions,
    /// How often the replica asks for news by itself.
    pub sync_interval: Duration,
    /// How long a reader or writer waits for the replica to catch up.
    pub sync_timeout: Duration,
    /// How long the primary has for one statement.
    pub statement_timeout: Duration,
}

/// Why a replicated database did not open.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The primary's address or answer is no good.
    #[error("the primary database at {url} cannot be used: {source}")]
    Primary {
        /// Where it should be.
        url: String,
        /// What libSQL said.
        #[source]
        source: libsql::Error,
    },
    /// There is no replica yet, and the primary does not give one.
    #[error(
        "there is no replica of the database in {folder} yet, and the primary at {url} does not give one: {reason}"
    )]
    NoReplica {
        /// Where it should be.
        folder: PathBuf,
        /// The primary.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The primary cannot be asked.
    #[error("{0}")]
    Away(String),
    /// The primary has fewer writes than the replica.
    #[error(
        "the primary has {has} writes and the replica {seen}: it was wiped, or restored to an earlier state. The replica \
         is kept as it is and writes are refused. Restore the primary from a backup; or, to follow it as it is, stop \
         the node and remove {folder}"
    )]
    WentBack {
        /// What the primary has.
        has: u64,
        /// What the replica shows.
        seen: u64,
        /// Where the replica is.
        folder: PathBuf,
    },
    /// The folder cannot be used.
    #[error("the replica's folder {folder} cannot be used: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The replica file did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The replica file cannot be read.
    #[error("the replica cannot be read: {0}")]
    Read(#[from] libsql::Error),
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Writes that the replica shows.
    pub seen: u64,
    /// Writes that reads here must show.
    pub wanted: u64,
    /// Whether the last attempt to sync failed.
    pub failing: bool,
    /// Whether the primary went back, so that the replica is held as it is.
    pub held: bool,
    /// Attempts that failed.
    pub failures: u64,
    /// Replicas that were damaged and made anew.
    pub rebuilt: u64,
}

/// A database with one primary elsewhere and a replica file here.
#[derive(Clone)]
pub struct ReplicatedDatabase(Arc<Shared>);

struct Shared {
    options: ReplicaOptions,
    primary: Primary,
    replica: RwLock<Arc<Replica>>,
    /// Writes that the replica shows.
    seen: watch::Sender<u64>,
    /// Writes that reads here must show.
    wanted: AtomicU64,
    /// Asks for a sync now.
    news: Notify,
    /// Nothing is kept in step any more.
    closing: AtomicBool,
    upkeep: Mutex<Option<JoinHandle<()>>>,
    damaged: AtomicBool,
    failing: AtomicBool,
    held: AtomicBool,
    failures: AtomicU64,
    rebuilt: AtomicU64,
}

impl ReplicatedDatabase {
    /// Opens the replica, making it where there is none, and keeps it in step until it is closed or the last clone is
    /// dropped.
    ///
    /// # Errors
    /// When there is no replica yet and the primary cannot be reached, or the folder cannot be used.
    pub async fn open(options: ReplicaOptions) -> Result<Self, ReplicaError> {
        let primary = Primary::new(
            &options.url,
            &options.token,
            options.statement_timeout,
            options.pool.result_bytes_max,
        );
        let primary =
            primary.await.map_err(|source| ReplicaError::Primary { url: options.url.clone(), source })?;
        let replica = Replica::open_newest(&options).await?;
        let seen = replica.sequence().await.unwrap_or_default();
        let shared = Arc::new(Shared {
            options,
            primary,
            replica: RwLock::new(Arc::new(replica)),
            seen: watch::Sender::new(seen),
            wanted: AtomicU64::new(0),
            news: Notify::new(),
            closing: AtomicBool::new(false),
            upkeep: Mutex::default(),
            damaged: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            held: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            rebuilt: AtomicU64::new(0),
        });
        let upkeep = tokio::spawn(replica::keep_in_step(Arc::downgrade(&shared)));
        *shared.upkeep.lock().unwrap_or_else(PoisonError::into_inner) = Some(upkeep);
        Ok(Self(shared))
    }

    /// Ends keeping the replica in step, and waits for it: a runtime that goes must not find a sync under way.
    pub async fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.news.notify_one();
        let upkeep = self.0.upkeep.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut upkeep) = upkeep else { return };
        let ended = if let Ok(ended) = tokio::time::timeout(CLOSING, &mut upkeep).await {
            ended
        } else {
            upkeep.abort();
            upkeep.await
        };
        if let Err(error) = ended
            && !error.is_cancelled()
        {
            tracing::error!(%error, "the replica was not kept in step to the end");
        }
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        ReplicaStatus {
            seen: *self.0.seen.borrow(),
            wanted: self.0.wanted.load(Ordering::Acquire),
            failing: self.0.failing.load(Ordering::Relaxed),
            held: self.0.held.load(Ordering::Relaxed),
            failures: self.0.failures.load(Ordering::Relaxed),
            rebuilt: self.0.rebuilt.load(Ordering::Relaxed),
        }
    }

    /// The writes that a client who was answered now has seen at most.
    #[must_use]
    pub fn position(&self) -> u64 {
        let status = self.status();
        status.seen.max(status.wanted)
    }

    /// Has reads from now on show the first `seq` writes: waits for the replica a bounded time, and leaves what it does not
    /// show by then to the primary. A number that the primary never gave is forgotten with the next sync.
    pub async fn must_show(&self, seq: u64) {
        self.0.written(seq).await;
    }
}

impl Shared {
    fn replica(&self) -> Arc<Replica> {
        self.replica.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the replica shows all that reads must show.
    fn is_fresh(&self) -> bool {
        !self.damaged.load(Ordering::Acquire) && *self.seen.borrow() >= self.wanted.load(Ordering::Acquire)
    }

    /// Waits, a bounded time, until the replica shows a write.
    async fn written(&self, seq: u64) {
        if *self.seen.borrow() >= seq {
            return;
        }
        self.wanted.fetch_max(seq, Ordering::AcqRel);
        self.news.notify_one();
        let mut seen = self.seen.subscribe();
        if tokio::time::timeout(self.options.sync_timeout, seen.wait_for(|seen| *seen >= seq)).await.is_err()
        {
            tracing::debug!(seq, "the replica is behind; reads go to the primary until it is not");
        }
    }

    fn report_damage(&self, error: &SqlError) {
        if !self.damaged.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, folder = %self.options.folder.display(), "the replica is damaged and is made anew");
            self.news.notify_one();
        }
    }
}

impl SqlDatabase for ReplicatedDatabase {
    fn open(&self) -> Box<dyn SqlConnection> {
        Box::new(ReplicatedConnection::new(self.0.clone()))
    }
}
