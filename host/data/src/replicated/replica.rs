//! The replica's files, and keeping them in step.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use edge_runtime::storage::SqlError;

use super::connection::is_damage;
use super::connector::PrimaryConnector;
use super::{ReplicaError, ReplicaOptions, Shared};
use crate::local::LocalDatabase;
use crate::private;

/// The file, in a folder numbered by how often the replica was made anew.
const FILE: &str = "replica.db";
/// How long one sync may take before the replica is made anew: a first copy of everything included.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// One replica file.
pub(super) struct Replica {
    pub(super) local: LocalDatabase,
    source: libsql::Database,
    number: u64,
}

impl Replica {
    /// Opens the newest replica, or makes the first.
    pub(super) async fn open_newest(options: &ReplicaOptions) -> Result<Self, ReplicaError> {
        let numbers = numbers(&options.folder)?;
        if let Some(&number) = numbers.last() {
            match Self::open(options, number).await {
                Ok(replica) => return Ok(replica),
                Err(error) => tracing::error!(%error, "the replica does not open and is made anew"),
            }
        }
        Self::make(options, numbers.last().map_or(1, |number| number + 1)).await
    }

    /// Copies the primary into a fresh folder.
    pub(super) async fn make(options: &ReplicaOptions, number: u64) -> Result<Self, ReplicaError> {
        let source = source(options, number).await?;
        let no_replica = |reason: String| ReplicaError::NoReplica {
            folder: options.folder.clone(),
            url: options.url.clone(),
            reason,
        };
        match tokio::time::timeout(STUCK_AFTER, source.sync()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(no_replica(error.to_string())),
            Err(_) => return Err(no_replica("it did not answer in time".to_owned())),
        }
        Self::with(options, number, source).await
    }

    /// Opens what was copied before; the primary need not answer.
    async fn open(options: &ReplicaOptions, number: u64) -> Result<Self, ReplicaError> {
        let source = source(options, number).await?;
        let replica = Self::with(options, number, source).await?;
        replica.check().await?;
        Ok(replica)
    }

    async fn with(
        options: &ReplicaOptions,
        number: u64,
        source: libsql::Database,
    ) -> Result<Self, ReplicaError> {
        let local = LocalDatabase::open(&path(&options.folder, number), options.pool).await?;
        Ok(Self { local, source, number })
    }

    /// That the file can be read from one end to the other.
    async fn check(&self) -> Result<(), ReplicaError> {
        match self.local.damage().await? {
            None => Ok(()),
            Some(_) => {
                Err(ReplicaError::Read(libsql::Error::SqliteFailure(11, "the file is malformed".to_owned())))
            }
        }
    }

    /// How many writes it shows; 0 before the table that counts them is there.
    pub(super) async fn sequence(&self) -> Result<u64, libsql::Error> {
        let connection = self.local.connect().await?;
        let mut tables =
            connection.query("SELECT 1 FROM sqlite_schema WHERE name = 'write_sequence'", ()).await?;
        if tables.next().await?.is_none() {
            return Ok(0);
        }
        let mut rows = connection.query("SELECT seq FROM write_sequence WHERE one = 1", ()).await?;
        Ok(rows.next().await?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
    }
}

async fn source(options: &ReplicaOptions, number: u64) -> Result<libsql::Database, ReplicaError> {
    let path = path(&options.folder, number);
    if let Some(folder) = path.parent() {
        private::create_folder(folder)
            .map_err(|source| ReplicaError::Folder { folder: folder.to_owned(), source })?;
    }
    let failed = |source| ReplicaError::Primary { url: options.url.clone(), source };
    libsql::Builder::new_remote_replica(path, options.url.clone(), options.token.clone())
        .connector(PrimaryConnector::new().map_err(failed)?)
        .read_your_writes(false)
        .build()
        .await
        .map_err(failed)
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(number.to_string()).join(FILE)
}

/// The numbers of the replicas that are there, rising.
fn numbers(folder: &Path) -> Result<Vec<u64>, ReplicaError> {
    let wrong = |source| ReplicaError::Folder { folder: folder.to_owned(), source };
    private::create_folder(folder).map_err(wrong)?;
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        if let Some(number) = number.filter(|number| path(folder, *number).exists()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Syncs at the interval and when asked to, and makes a damaged replica anew. It ends when the database is closed, or within
/// an interval of the last use.
pub(super) async fn keep_in_step(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        if strong.closing.load(Ordering::Acquire) {
            return;
        }
        let interval = strong.options.sync_interval;
        step(&strong).await;
        // Whoever asks for a sync is served early; otherwise the interval ends the wait.
        if tokio::time::timeout(interval, strong.news.notified()).await.is_ok() {
            tracing::trace!("a sync was asked for");
        }
    }
}

async fn step(shared: &Arc<Shared>) {
    match catch_up(shared).await {
        Ok(()) => shared.failing.store(false, Ordering::Relaxed),
        Err(error) => {
            shared.failures.fetch_add(1, Ordering::Relaxed);
            if !shared.failing.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "the replica cannot be kept in step; it is read as it is");
            }
        }
    }
}

/// Asks the primary how many writes it has, and copies what is missing here.
async fn catch_up(shared: &Arc<Shared>) -> Result<(), ReplicaError> {
    let wanted = shared.wanted.load(Ordering::Acquire);
    let seen = *shared.seen.borrow();
    let damaged = shared.damaged.load(Ordering::Acquire);
    let has = shared.primary.sequence().await.map_err(|e| ReplicaError::Away(e.to_string()))?;
    if has < seen && !damaged {
        shared.held.store(true, Ordering::Release);
        let folder = shared.options.folder.clone();
        return Err(ReplicaError::WentBack { has, seen, folder });
    }
    shared.held.store(false, Ordering::Release);
    if wanted > has {
        // A number that the primary never gave: nobody need wait for it.
        tracing::debug!(has, wanted, "a write that was waited for is not the primary's");
        shared.wanted.compare_exchange(wanted, has, Ordering::AcqRel, Ordering::Acquire).ok();
    }
    if damaged {
        shared.seen.send_replace(rebuild(shared).await?);
    } else if has > seen {
        shared.seen.send_replace(sync(shared).await?);
    }
    Ok(())
}

async fn sync(shared: &Arc<Shared>) -> Result<u64, ReplicaError> {
    let replica = shared.replica();
    let url = shared.options.url.clone();
    let synced = tokio::time::timeout(STUCK_AFTER, replica.source.sync()).await;
    match synced {
        Ok(Ok(_)) => {}
        Ok(Err(source)) => {
            let error = SqlError::Failed(source.to_string());
            if is_damage(&error) {
                shared.report_damage(&error);
            }
            return Err(ReplicaError::Primary { url, source });
        }
        Err(_) => {
            shared.report_damage(&SqlError::Failed("a sync did not end".to_owned()));
            return Err(ReplicaError::NoReplica {
                folder: shared.options.folder.clone(),
                url,
                reason: "a sync did not end".to_owned(),
            });
        }
    }
    replica.local.changed_elsewhere();
    match replica.sequence().await {
        Ok(seen) => Ok(seen),
        Err(error) => {
            shared.report_damage(&SqlError::Failed(error.to_string()));
            Err(error.into())
        }
    }
}

/// Makes a fresh copy, puts it in the place of the damaged one, and removes that.
async fn rebuild(shared: &Arc<Shared>) -> Result<u64, ReplicaError> {
    let old = shared.replica();
    let fresh = Replica::make(&shared.options, old.number + 1).await?;
    let seen = fresh.sequence().await?;
    *shared.replica.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
    shared.damaged.store(false, Ordering::Release);
    shared.rebuilt.fetch_add(1, Ordering::Relaxed);
    let folder = shared.options.folder.join(old.number.to_string());
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        tracing::warn!(%error, folder = %folder.display(), "the damaged replica was not removed");
    }
    tracing::info!(seen, "the replica was made anew");
    Ok(seen)
}
