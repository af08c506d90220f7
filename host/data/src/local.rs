//! A local libSQL file with a pool of connections.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge_runtime::storage::{Pending, SqlConnection, SqlDatabase, SqlError, SqlRows, SqlValue};
use futures::FutureExt as _;
use libsql::{AuthAction, Authorization, Connection, Statement, Value};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};

use crate::statement::Kind;
use crate::watchdog::Watchdog;

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Connections open at once.
    pub connections_max: usize,
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

/// Tells of commits: its value counts them.
pub type CommitWatch = watch::Receiver<u64>;

/// A local database file.
#[derive(Clone)]
pub struct LocalDatabase(Arc<Shared>);

struct Shared {
    database: libsql::Database,
    options: PoolOptions,
    idle: Mutex<Vec<Prepared>>,
    permits: Arc<Semaphore>,
    /// The turn to write: one holder at a time, queued in order, so that nobody spins on SQLite's own lock.
    writer: Arc<tokio::sync::Mutex<()>>,
    commits: watch::Sender<u64>,
    watchdog: Watchdog,
}

/// A connection with the statements prepared on it.
struct Prepared {
    connection: Connection,
    statements: HashMap<Box<str>, (Kind, usize, Statement)>,
}

impl LocalDatabase {
    /// Opens the file at `path`, creating it where it is missing: write-ahead log, every commit on disk before it is
    /// acknowledged, foreign keys enforced.
    ///
    /// # Errors
    /// When libSQL cannot open it.
    pub async fn open(path: &Path, options: PoolOptions) -> Result<Self, OpenError> {
        let sql = |source| OpenError::Sql { path: path.to_owned(), source };
        let text = path.to_str().ok_or_else(|| OpenError::Path(path.to_owned()))?;
        let database = libsql::Builder::new_local(text).build().await.map_err(sql)?;
        let connection = database.connect().map_err(sql)?;
        // The mode stays with the file. Asking is also what first touches it, so a bad file shows here.
        connection.query("PRAGMA journal_mode = WAL", ()).await.map_err(sql)?.next().await.map_err(sql)?;
        let watchdog = Watchdog::start(options.statement_timeout)
            .map_err(|source| OpenError::Thread { path: path.to_owned(), source })?;
        Ok(Self(Arc::new(Shared {
            database,
            options,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.connections_max)),
            writer: Arc::default(),
            commits: watch::Sender::new(0),
            watchdog,
        })))
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

    /// Tells of each commit made through the pool.
    #[must_use]
    pub fn commits(&self) -> CommitWatch {
        self.0.commits.subscribe()
    }

    async fn take(&self) -> Result<Lent, SqlError> {
        let shared = &self.0;
        let permit = match shared.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(shared.options.open_timeout, shared.permits.clone().acquire_owned())
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or(SqlError::Exhausted(shared.options.connections_max))?,
        };
        let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(prepared) = idle {
            return Ok(Lent { prepared, _permit: permit });
        }
        let connection = self.connect().await.map_err(to_error)?;
        connection.authorizer(Some(Arc::new(authorize))).map_err(to_error)?;
        Ok(Lent { prepared: Prepared { connection, statements: HashMap::new() }, _permit: permit })
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
        Box::new(LocalConnection { database: self.clone(), lent: None, turn: None })
    }
}

/// A connection of the pool, with the right to hold one.
struct Lent {
    prepared: Prepared,
    _permit: OwnedSemaphorePermit,
}

/// What a component holds: a connection of the pool from its first statement on. Dropping it rolls back, gives the turn
/// on, and returns the connection.
struct LocalConnection {
    database: LocalDatabase,
    lent: Option<Lent>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl LocalConnection {
    fn connection(&self) -> Option<&Connection> {
        self.lent.as_ref().map(|lent| &lent.prepared.connection)
    }

    async fn run(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let shared = self.database.0.clone();
        let lent = match &mut self.lent {
            Some(lent) => lent,
            None => self.lent.insert(self.database.take().await?),
        };
        let known = lent.prepared.statements.get(sql).map(|(kind, ..)| *kind);
        let kind = known.unwrap_or_else(|| Kind::of(sql));
        if kind == Kind::Write && self.turn.is_none() {
            self.turn = Some(shared.writer.clone().lock_owned().await);
        }
        let result = {
            let _watched = shared.watchdog.watch(&lent.prepared.connection);
            lent.prepared.run(sql, kind, parameters, shared.options).await
        };
        if self.turn.is_some() && lent.prepared.connection.is_autocommit() {
            self.turn = None;
            shared.commits.send_modify(|count| *count = count.wrapping_add(1));
        }
        result
    }
}

impl Prepared {
    async fn run(
        &mut self,
        sql: &str,
        kind: Kind,
        parameters: Vec<SqlValue>,
        options: PoolOptions,
    ) -> Result<SqlRows, SqlError> {
        if !self.statements.contains_key(sql) {
            if self.statements.len() >= options.statements_max {
                self.statements.clear();
            }
            let statement = self.connection.prepare(sql).await.map_err(to_error)?;
            let count = statement.parameter_count();
            self.statements.insert(sql.into(), (kind, count, statement));
        }
        let (_, count, statement) = &self.statements[sql];
        if *count != parameters.len() {
            return Err(SqlError::Failed(format!(
                "the statement takes {count} parameters and was given {}",
                parameters.len()
            )));
        }
        let parameters: Vec<Value> = parameters.into_iter().map(to_libsql).collect();
        let rows = collect(statement, parameters, options.result_bytes_max).await;
        statement.reset();
        rows
    }
}

async fn collect(
    statement: &Statement,
    parameters: Vec<Value>,
    bytes_max: usize,
) -> Result<SqlRows, SqlError> {
    let mut rows = statement.query(parameters).await.map_err(to_error)?;
    let count = rows.column_count();
    let mut result = SqlRows::default();
    for index in 0..count {
        result.columns.push(rows.column_name(index).unwrap_or_default().to_owned());
    }
    let mut bytes = 0;
    while let Some(row) = rows.next().await.map_err(to_error)? {
        let mut values = Vec::with_capacity(result.columns.len());
        for index in 0..count {
            let value = from_libsql(row.get_value(index).map_err(to_error)?);
            bytes += size_of_value(&value);
            values.push(value);
        }
        if bytes > bytes_max {
            return Err(SqlError::Failed(format!(
                "the result is larger than {bytes_max} bytes; ask for less"
            )));
        }
        result.rows.push(values);
    }
    Ok(result)
}

impl SqlConnection for LocalConnection {
    fn execute(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Pending<'_, Result<SqlRows, SqlError>> {
        let sql = sql.to_owned();
        Box::pin(async move { self.run(&sql, parameters).await })
    }

    fn last_insert_rowid(&self) -> i64 {
        self.connection().map_or(0, Connection::last_insert_rowid)
    }

    fn changes(&self) -> u64 {
        self.connection().map_or(0, Connection::changes)
    }
}

impl Drop for LocalConnection {
    fn drop(&mut self) {
        let Some(Lent { prepared, _permit }) = self.lent.take() else { return };
        let clean = prepared.connection.is_autocommit() || {
            // Local statements never wait, so one poll finishes it; a connection that does not roll back is not reused.
            let rolled_back = prepared.connection.execute("ROLLBACK", ()).now_or_never();
            matches!(rolled_back, Some(Ok(_)))
        };
        if clean {
            self.database.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(prepared);
        } else {
            tracing::error!("a connection could not be rolled back and was closed");
        }
    }
}

fn size_of_value(value: &SqlValue) -> usize {
    match value {
        SqlValue::Null | SqlValue::Integer(_) | SqlValue::Real(_) => 16,
        SqlValue::Text(text) => 16 + text.len(),
        SqlValue::Blob(bytes) => 16 + bytes.len(),
    }
}

fn to_libsql(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(v) => Value::Integer(v),
        SqlValue::Real(v) => Value::Real(v),
        SqlValue::Text(v) => Value::Text(v),
        SqlValue::Blob(v) => Value::Blob(v),
    }
}

fn from_libsql(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(v) => SqlValue::Integer(v),
        Value::Real(v) => SqlValue::Real(v),
        Value::Text(v) => SqlValue::Text(v),
        Value::Blob(v) => SqlValue::Blob(v),
    }
}

/// SQLite's code for a full disk or database.
const SQLITE_FULL: i32 = 13;

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn to_error(error: libsql::Error) -> SqlError {
    match &error {
        libsql::Error::SqliteFailure(code, _) if code & 0xff == SQLITE_FULL => SqlError::Full,
        libsql::Error::SqliteFailure(_, message) => SqlError::Failed(message.clone()),
        other => SqlError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LocalDatabase, PoolOptions};
    use edge_runtime::storage::{SqlDatabase as _, SqlError, SqlValue};
    use std::time::Duration;

    async fn database(options: PoolOptions) -> (tempfile::TempDir, LocalDatabase) {
        let folder = tempfile::tempdir().expect("a folder");
        let database = LocalDatabase::open(&folder.path().join("t.db"), options).await.expect("opens");
        let mut connection = database.open();
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", vec![]).await.expect("created");
        (folder, database)
    }

    async fn count(database: &LocalDatabase) -> i64 {
        let mut connection = database.open();
        match connection.execute("SELECT count(*) FROM t", vec![]).await.expect("counted").rows[0][0] {
            SqlValue::Integer(n) => n,
            _ => panic!("a count is an integer"),
        }
    }

    #[tokio::test]
    async fn what_is_not_committed_is_rolled_back() {
        let (_folder, database) = database(PoolOptions::default()).await;
        {
            let mut connection = database.open();
            connection.execute("BEGIN IMMEDIATE", vec![]).await.expect("begun");
            connection
                .execute("INSERT INTO t (b) VALUES (?1)", vec![SqlValue::Text("x".into())])
                .await
                .expect("in");
            assert_eq!((connection.changes(), connection.last_insert_rowid()), (1, 1));
        }
        assert_eq!(count(&database).await, 0);
    }

    #[tokio::test]
    async fn writers_take_turns() {
        let (_folder, database) = database(PoolOptions::default()).await;
        let writers = (0..8).map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut connection = database.open();
                    connection.execute("BEGIN IMMEDIATE", vec![]).await.expect("begun");
                    connection.execute("INSERT INTO t (b) VALUES ('x')", vec![]).await.expect("inserted");
                    tokio::task::yield_now().await;
                    connection.execute("COMMIT", vec![]).await.expect("committed");
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("no panic");
        }
        assert_eq!(count(&database).await, 160);
    }

    #[tokio::test]
    async fn other_files_and_pragmas_are_out_of_reach() {
        let (folder, database) = database(PoolOptions::default()).await;
        let mut connection = database.open();
        let other = folder.path().join("other.db").display().to_string();
        for sql in [
            format!("ATTACH '{other}' AS o"),
            "PRAGMA synchronous = OFF".to_owned(),
            format!("VACUUM INTO '{other}'"),
        ] {
            assert!(matches!(connection.execute(&sql, vec![]).await, Err(SqlError::Failed(_))), "{sql}");
        }
        assert!(!folder.path().join("other.db").exists());
    }

    #[tokio::test]
    async fn limits_hold() {
        let options = PoolOptions {
            statement_timeout: Duration::from_millis(100),
            open_timeout: Duration::from_millis(50),
            connections_max: 1,
            result_bytes_max: 1000,
            ..PoolOptions::default()
        };
        let (_folder, database) = database(options).await;
        let mut connection = database.open();
        assert!(matches!(database.open().await.err(), Some(SqlError::Exhausted(1))));
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let interrupted = connection.execute(endless, vec![]).await.expect_err("interrupted");
        assert!(interrupted.to_string().contains("interrupted"), "{interrupted}");
        let large = connection.execute("SELECT zeroblob(2000)", vec![]).await.expect_err("too large");
        assert!(large.to_string().contains("larger than 1000"), "{large}");
        let count = connection.execute("SELECT ?1", vec![]).await.expect_err("one parameter is missing");
        assert!(count.to_string().contains("takes 1 parameters"), "{count}");
        assert!(connection.execute("SELECT 1", vec![]).await.is_ok());
    }
}
