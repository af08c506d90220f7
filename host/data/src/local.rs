//! A local libSQL file with a pool of connections.

mod connection;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use edge_runtime::storage::{SqlConnection, SqlDatabase, SqlError};
use libsql::{AuthAction, Authorization, Connection};
use tokio::sync::{OwnedMutexGuard, Semaphore, watch};

use self::connection::{Lent, LocalConnection, Pooled};
pub(crate) use self::connection::{collect_rows, to_error, to_libsql};
use crate::gate::WriteGate;
use crate::private;
use crate::watchdog::Watchdog;

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Connections open at once.
    pub connections_max: usize,
    /// How long a connection that nobody uses stays open. Each keeps up to 8 MB of pages.
    pub idle_timeout: Duration,
    /// How long an opening waits for a free connection.
    pub open_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Prepared statements kept for each connection.
    pub statements_max: usize,
    /// Bytes that one statement's rows may hold.
    pub result_bytes_max: usize,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            connections_max: 128,
            idle_timeout: Duration::from_secs(20),
            open_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            statements_max: 256,
            result_bytes_max: 16 << 20,
        }
    }
}

/// Why a database file did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is not UTF-8, which libSQL needs.
    #[error("the path {0} is not UTF-8")]
    Path(PathBuf),
    /// libSQL refused.
    #[error("cannot open the database {path}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: libsql::Error,
    },
    /// The watchdog's thread did not start.
    #[error("cannot start a thread for the database {path}")]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Connections that are closed at once, when one is given back: closing takes time, and somebody waits.
const CLOSED_MAX: usize = 2;
/// How long what was removed from a file may stand in its write-ahead log.
const LOG_KEPT_FOR: Duration = Duration::from_secs(600);

/// The path of a database that has no file.
const MEMORY: &str = ":memory:";

/// Tells of commits: its value counts them.
pub type CommitWatch = watch::Receiver<u64>;

/// A local database file.
#[derive(Clone)]
pub struct LocalDatabase(Arc<Shared>);

struct Shared {
    database: libsql::Database,
    options: PoolOptions,
    idle: Mutex<Vec<Pooled>>,
    permits: Arc<Semaphore>,
    /// The turn to write: one holder at a time, queued in order, so that nobody spins on SQLite's own lock.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// Whether somebody has the turn.
    writing: AtomicBool,
    commits: watch::Sender<u64>,
    gate: WriteGate,
    path: PathBuf,
    watchdog: Watchdog,
}

impl LocalDatabase {
    /// Opens the file at `path`, creating it where it is missing: write-ahead log, every commit on disk before it is
    /// acknowledged, foreign keys enforced. The node's user alone may read it.
    ///
    /// # Errors
    /// When libSQL cannot open it.
    pub async fn open(path: &Path, options: PoolOptions) -> Result<Self, OpenError> {
        let sql = |source| OpenError::Sql { path: path.to_owned(), source };
        let text = path.to_str().ok_or_else(|| OpenError::Path(path.to_owned()))?;
        if text != MEMORY
            && let Err(error) = private::create_file(path)
        {
            tracing::warn!(%error, file = text, "others may be able to read the database's file");
        }
        let database = libsql::Builder::new_local(text).build().await.map_err(sql)?;
        let connection = database.connect().map_err(sql)?;
        // The mode stays with the file. Asking is also what first touches it, so a bad file shows here.
        connection.query("PRAGMA journal_mode = WAL", ()).await.map_err(sql)?.next().await.map_err(sql)?;
        let watchdog = Watchdog::start(options.statement_timeout)
            .map_err(|source| OpenError::Thread { path: path.to_owned(), source })?;
        let shared = Arc::new(Shared {
            database,
            options,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.connections_max)),
            writer: Arc::default(),
            writing: AtomicBool::new(false),
            commits: watch::Sender::new(0),
            gate: WriteGate::default(),
            path: path.to_owned(),
            watchdog,
        });
        tokio::spawn(keep_log_short(Arc::downgrade(&shared)));
        Ok(Self(shared))
    }

    /// A connection for the host's own use: no limits, no pool.
    ///
    /// # Errors
    /// When libSQL cannot open one.
    pub async fn connect(&self) -> Result<Connection, libsql::Error> {
        let connection = self.0.database.connect()?;
        set_up(&connection).await?;
        Ok(connection)
    }

    /// The gate before the pool's writers; open until somebody closes it.
    #[must_use]
    pub fn gate(&self) -> &WriteGate {
        &self.0.gate
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes the write-ahead log into the file and empties it: until then it holds what was removed since. False: somebody
    /// was reading it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn empty_log(&self) -> Result<bool, libsql::Error> {
        let _turn = self.0.turn().await;
        let connection = self.connect().await?;
        // Writers wait meanwhile, so it does not wait for readers.
        connection.busy_timeout(Duration::ZERO)?;
        let mut rows = connection.query("PRAGMA wal_checkpoint(TRUNCATE)", ()).await?;
        let busy = rows.next().await?.map(|row| row.get::<i64>(0)).transpose()?;
        Ok(busy == Some(0))
    }

    /// Writes a copy of the file as it is now, which can be opened as a database of its own.
    ///
    /// # Errors
    /// When there is a file already, or the copy cannot be written.
    pub async fn copy_to(&self, path: &Path) -> Result<(), libsql::Error> {
        let text = path.to_string_lossy().into_owned();
        // SQLite writes into a file that is there and empty; to any other it says no.
        if let Err(error) = private::create_file(path) {
            tracing::warn!(%error, file = text, "others may be able to read the copy");
        }
        let connection = self.connect().await?;
        let mut rows = connection.query("VACUUM INTO ?1", [text]).await?;
        while rows.next().await?.is_some() {}
        Ok(())
    }

    /// Reads the file from one end to the other; what is wrong with it, none where it is whole.
    ///
    /// # Errors
    /// When it is no database, or cannot be read.
    pub async fn damage(&self) -> Result<Option<String>, libsql::Error> {
        let mut rows = self.connect().await?.query("PRAGMA quick_check", ()).await?;
        let verdict = rows.next().await?.map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
        Ok((verdict != "ok").then_some(verdict))
    }

    /// Tells of each commit made through the pool.
    #[must_use]
    pub fn commits(&self) -> CommitWatch {
        self.0.commits.subscribe()
    }

    /// Says that the file was written by other means: connections read it anew.
    pub fn changed_elsewhere(&self) {
        self.0.idle().retain_mut(|pooled| pooled.end_snapshot().is_ok());
        self.0.commits.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A connection of the pool, once one is free.
    async fn take(&self) -> Result<Lent, SqlError> {
        let shared = &self.0;
        let permit = match shared.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                tokio::time::timeout(shared.options.open_timeout, shared.permits.clone().acquire_owned())
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .ok_or(SqlError::Exhausted(shared.options.connections_max))?
            }
        };
        let idle = shared.idle().pop();
        if let Some(pooled) = idle {
            return Ok(Lent { pooled, _permit: permit });
        }
        let connection = self.connect().await.map_err(to_error)?;
        connection.authorizer(Some(Arc::new(authorize))).map_err(to_error)?;
        let watch = shared.watchdog.watch(&connection);
        Ok(Lent { pooled: Pooled::new(connection, watch, shared.options), _permit: permit })
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Pooled>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection back. While somebody writes it keeps no snapshot. Connections that a burst needed are closed:
    /// the one used last is taken first, so they are at the bottom.
    fn give_back(&self, mut pooled: Pooled) {
        let unused: Vec<Pooled> = {
            let mut idle = self.idle();
            let timeout = self.options.idle_timeout;
            let unused = idle.iter().take(CLOSED_MAX).take_while(|pooled| pooled.unused_for(timeout)).count();
            let unused = idle.drain(..unused).collect();
            if !self.writing.load(Ordering::Acquire) || pooled.end_snapshot().is_ok() {
                pooled.rest();
                idle.push(pooled);
            }
            unused
        };
        // Outside of the lock.
        drop(unused);
    }

    /// The turn to write. Connections at rest let go of what they read: a log that somebody still reads cannot start over
    /// at its beginning, and grows.
    async fn turn(self: &Arc<Self>) -> Turn {
        let guard = self.writer.clone().lock_owned().await;
        self.writing.store(true, Ordering::Release);
        self.idle().retain_mut(|pooled| pooled.end_snapshot().is_ok());
        Turn { shared: self.clone(), _guard: guard }
    }
}

/// The right to write; dropping it gives it on.
struct Turn {
    shared: Arc<Shared>,
    _guard: OwnedMutexGuard<()>,
}

impl Turn {
    /// Ends the turn and tells of its commit.
    fn committed(self) {
        self.shared.commits.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.writing.store(false, Ordering::Release);
    }
}

/// Empties the log now and then, for as long as somebody uses the database.
async fn keep_log_short(shared: Weak<Shared>) {
    let mut done = 0;
    loop {
        tokio::time::sleep(LOG_KEPT_FOR).await;
        let Some(shared) = shared.upgrade() else { return };
        let commits = *shared.commits.borrow();
        if commits == done {
            continue;
        }
        let file = shared.path.display().to_string();
        match LocalDatabase(shared).empty_log().await {
            Ok(true) => done = commits,
            Ok(false) => tracing::debug!(file, "the log is being read and is emptied another time"),
            Err(error) => tracing::warn!(%error, file, "the log was not emptied"),
        }
    }
}

async fn set_up(connection: &Connection) -> Result<(), libsql::Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    for pragma in [
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -8000",
        "PRAGMA trusted_schema = OFF",
        // What is removed is overwritten: its page would keep it for as long as nothing else needs the room.
        "PRAGMA secure_delete = ON",
    ] {
        connection.query(pragma, ()).await?.next().await?;
    }
    Ok(())
}

/// A component reads and writes its tables. It does not reach other files, nor change how this one is kept.
fn authorize(context: &libsql::AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::Pragma { .. } => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}

impl SqlDatabase for LocalDatabase {
    fn open(&self) -> Box<dyn SqlConnection> {
        Box::new(LocalConnection::new(self.clone()))
    }
}

#[cfg(test)]
mod tests;
