//! One connection of the pool.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_runtime::storage::{Pending, SqlConnection, SqlError, SqlRows, SqlValue};
use futures::FutureExt as _;
use libsql::{Connection, Rows, Statement, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::{LocalDatabase, PoolOptions, Turn};
use crate::statement::Kind;
use crate::watchdog::Watch;

/// How long a snapshot is used though nothing was committed here: another process may have written.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_millis(50);

/// A connection with the statements prepared on it, and the state of the database that it last read.
///
/// A read outside a transaction leaves its snapshot open. As long as nothing is committed, the next read sees the same
/// state, so it need not ask the log for a newer one: that costs two system calls under a lock all connections share,
/// which is more than a small read itself.
pub(super) struct Pooled {
    connection: Connection,
    statements: HashMap<Box<str>, Prepared>,
    snapshot: Option<Snapshot>,
    watch: Watch,
    options: PoolOptions,
    /// Since when nobody uses it.
    resting_since: Instant,
}

struct Prepared {
    kind: Kind,
    parameters: usize,
    statement: Statement,
}

struct Snapshot {
    /// Commits made before it was taken.
    commits: u64,
    taken: Instant,
}

impl Pooled {
    pub(super) fn new(connection: Connection, watch: Watch, options: PoolOptions) -> Self {
        let (statements, resting_since) = (HashMap::new(), Instant::now());
        Self { connection, statements, snapshot: None, watch, options, resting_since }
    }

    /// Says that nobody uses it from now on.
    pub(super) fn rest(&mut self) {
        self.resting_since = Instant::now();
    }

    /// Whether nobody has used it for so long.
    pub(super) fn unused_for(&self, time: Duration) -> bool {
        self.resting_since.elapsed() >= time
    }

    /// Whether a component has begun a transaction and not ended it.
    fn in_transaction(&self) -> bool {
        self.snapshot.is_none() && !self.connection.is_autocommit()
    }

    fn kind(&self, sql: &str) -> Kind {
        self.statements.get(sql).map_or_else(|| Kind::of(sql), |prepared| prepared.kind)
    }

    /// Has the next read see everything of the first `commits` commits.
    async fn refresh_snapshot(&mut self, commits: u64) -> Result<(), SqlError> {
        let fresh = |s: &Snapshot| s.commits == commits && s.taken.elapsed() < SNAPSHOT_AGE_MAX;
        if self.snapshot.as_ref().is_some_and(fresh) {
            return Ok(());
        }
        self.end_snapshot()?;
        self.run("BEGIN", vec![]).await?;
        self.snapshot = Some(Snapshot { commits, taken: Instant::now() });
        Ok(())
    }

    /// Lets go of the state that was read.
    pub(super) fn end_snapshot(&mut self) -> Result<(), SqlError> {
        let held = self.snapshot.take().is_some() && !self.connection.is_autocommit();
        if held { self.at_once("COMMIT") } else { Ok(()) }
    }

    /// Runs a statement that ends a transaction. Local statements never wait, so one poll finishes it.
    fn at_once(&mut self, sql: &str) -> Result<(), SqlError> {
        let ended = self.run(sql, vec![]).now_or_never();
        ended.unwrap_or_else(|| Err(SqlError::Failed(format!("{sql} did not finish")))).map(drop)
    }

    async fn run(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let _running = self.watch.begin();
        if !self.statements.contains_key(sql) {
            if self.statements.len() >= self.options.statements_max {
                self.statements.clear();
            }
            let statement = self.connection.prepare(sql).await.map_err(to_error)?;
            let parameters = statement.parameter_count();
            self.statements.insert(sql.into(), Prepared { kind: Kind::of(sql), parameters, statement });
        }
        let prepared = &self.statements[sql];
        if prepared.parameters != parameters.len() {
            return Err(SqlError::Failed(format!(
                "the statement takes {} parameters and was given {}",
                prepared.parameters,
                parameters.len()
            )));
        }
        let parameters: Vec<Value> = parameters.into_iter().map(to_libsql).collect();
        let rows = collect(&prepared.statement, parameters, self.options.result_bytes_max).await;
        prepared.statement.reset();
        rows
    }
}

/// A connection of the pool, with the right to hold one.
pub(super) struct Lent {
    pub(super) pooled: Pooled,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What a component holds: a connection of the pool from its first statement on. Dropping it rolls back, gives the turn
/// on, and returns the connection.
pub(super) struct LocalConnection {
    database: LocalDatabase,
    lent: Option<Lent>,
    turn: Option<Turn>,
}

impl LocalConnection {
    pub(super) fn new(database: LocalDatabase) -> Self {
        Self { database, lent: None, turn: None }
    }

    fn connection(&self) -> Option<&Connection> {
        self.lent.as_ref().map(|lent| &lent.pooled.connection)
    }

    async fn run(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let shared = Arc::clone(&self.database.0);
        let pooled = match &mut self.lent {
            Some(lent) => &mut lent.pooled,
            None => &mut self.lent.insert(self.database.take().await?).pooled,
        };
        match pooled.kind(sql) {
            Kind::Select if !pooled.in_transaction() => {
                let commits = *shared.commits.borrow();
                pooled.refresh_snapshot(commits).await?;
            }
            Kind::Select | Kind::Control => pooled.end_snapshot()?,
            Kind::Write => {
                pooled.end_snapshot()?;
                if self.turn.is_none() {
                    self.turn = Some(shared.turn().await);
                }
            }
        }
        // Once more before a commit: the right to write may have ended since the transaction began.
        let result = if self.turn.is_some() && !shared.gate.is_open() && !is_rollback(sql) {
            if !pooled.connection.is_autocommit() {
                pooled.at_once("ROLLBACK")?;
            }
            Err(SqlError::Failed("this node may not write here now".to_owned()))
        } else {
            pooled.run(sql, parameters).await
        };
        if result.is_err() {
            pooled.end_snapshot()?;
        }
        if pooled.connection.is_autocommit()
            && let Some(turn) = self.turn.take()
        {
            turn.committed();
        }
        result
    }
}

fn is_rollback(sql: &str) -> bool {
    sql.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("ROLLBACK"))
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
        let Some(Lent { mut pooled, _permit }) = self.lent.take() else { return };
        let rolled_back = if pooled.in_transaction() { pooled.at_once("ROLLBACK") } else { Ok(()) };
        match rolled_back {
            Ok(()) => self.database.0.give_back(pooled),
            Err(error) => tracing::error!(%error, "a connection could not be rolled back and was closed"),
        }
    }
}

async fn collect(
    statement: &Statement,
    parameters: Vec<Value>,
    bytes_max: usize,
) -> Result<SqlRows, SqlError> {
    let mut rows = statement.query(parameters).await.map_err(to_error)?;
    collect_rows(&mut rows, bytes_max).await
}

/// All rows, where they have no more than so many bytes.
pub(crate) async fn collect_rows(rows: &mut Rows, bytes_max: usize) -> Result<SqlRows, SqlError> {
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

fn size_of_value(value: &SqlValue) -> usize {
    match value {
        SqlValue::Null | SqlValue::Integer(_) | SqlValue::Real(_) => 16,
        SqlValue::Text(text) => 16 + text.len(),
        SqlValue::Blob(bytes) => 16 + bytes.len(),
    }
}

pub(crate) fn to_libsql(value: SqlValue) -> Value {
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
pub(crate) fn to_error(error: libsql::Error) -> SqlError {
    match &error {
        libsql::Error::SqliteFailure(code, _) if code & 0xff == SQLITE_FULL => SqlError::Full,
        libsql::Error::SqliteFailure(_, message) => SqlError::Failed(message.clone()),
        other => SqlError::Failed(other.to_string()),
    }
}
