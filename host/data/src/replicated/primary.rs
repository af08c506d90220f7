//! The primary, reached over HTTP.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use edge_runtime::storage::{SqlError, SqlRows, SqlValue};
use libsql::Connection;

use crate::local::{collect_rows, to_error, to_libsql};

/// After a failure to reach it, how long the next attempt is spared: callers are refused at once meanwhile.
const PAUSE: Duration = Duration::from_millis(500);
/// Connections kept for the next caller.
const IDLE_MAX: usize = 16;
/// Adds one to the number of writes, which replicas show.
const COUNT_WRITE: &str = "UPDATE write_sequence SET seq = seq + 1 WHERE one = 1 RETURNING seq";

/// A server that takes writes.
pub(super) struct Primary {
    database: libsql::Database,
    timeout: Duration,
    result_bytes_max: usize,
    idle: Mutex<Vec<Connection>>,
    unreachable_until: Mutex<Option<Instant>>,
}

impl Primary {
    pub(super) async fn new(
        url: &str,
        token: &str,
        timeout: Duration,
        result_bytes_max: usize,
    ) -> Result<Self, libsql::Error> {
        let database = super::connector::remote(url, token).await?;
        Ok(Self {
            database,
            timeout,
            result_bytes_max,
            idle: Mutex::default(),
            unreachable_until: Mutex::default(),
        })
    }

    /// A connection, which is returned with [`Primary::give_back`] where it is still good.
    pub(super) fn take(&self) -> Result<Connection, SqlError> {
        if self.pause().is_some_and(|until| Instant::now() < until) {
            return Err(SqlError::Failed("the primary database cannot be reached".to_owned()));
        }
        let idle = self.idle().pop();
        idle.map_or_else(|| self.database.connect().map_err(to_error), Ok)
    }

    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Runs one statement, bounded in time.
    pub(super) async fn run(
        &self,
        connection: &Connection,
        sql: &str,
        parameters: Vec<SqlValue>,
    ) -> Result<SqlRows, SqlError> {
        let work = async {
            let parameters: Vec<libsql::Value> = parameters.into_iter().map(to_libsql).collect();
            let mut rows = connection.query(sql, parameters).await.map_err(to_error)?;
            collect_rows(&mut rows, self.result_bytes_max).await
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(Err(error)) if is_transport(&error) => {
                *self.pause() = Some(Instant::now() + PAUSE);
                Err(SqlError::Failed(format!("the primary database cannot be reached: {error}")))
            }
            Ok(done) => done,
            Err(_) => {
                *self.pause() = Some(Instant::now() + PAUSE);
                Err(SqlError::Failed("the primary database did not answer in time".to_owned()))
            }
        }
    }

    /// Counts a write within its transaction; the number that replicas will show once they have it.
    pub(super) async fn count_write(&self, connection: &Connection) -> Result<u64, SqlError> {
        let rows = self.run(connection, COUNT_WRITE, vec![]).await?;
        let uncounted = || SqlError::Failed("the primary database does not count its writes".to_owned());
        number(&rows).ok_or_else(uncounted)
    }

    /// Runs one statement that reads, on a connection of its own.
    pub(super) async fn read(&self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let connection = self.take()?;
        let rows = self.run(&connection, sql, parameters).await;
        if rows.is_ok() {
            self.give_back(connection);
        }
        rows
    }

    /// How many writes it has; 0 before it counts them.
    pub(super) async fn sequence(&self) -> Result<u64, SqlError> {
        match self.read("SELECT seq FROM write_sequence WHERE one = 1", vec![]).await {
            Ok(rows) => Ok(number(&rows).unwrap_or_default()),
            Err(error) if error.to_string().contains("no such table") => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unreachable_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number in the only row's only column.
fn number(rows: &SqlRows) -> Option<u64> {
    match rows.rows.first()?.first()? {
        SqlValue::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// Whether the network failed rather than the statement.
fn is_transport(error: &SqlError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["http error", "connect", "connection", "stream closed", "502", "503"]
        .iter()
        .any(|sign| text.contains(sign))
}
