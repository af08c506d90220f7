//! A pool of native connections, behind the components' own `Sql`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures::executor::block_on;
use petwalker_store::{NativeDatabase, Row, Sql, SqlError, Value};

/// A pool over one database file.
#[derive(Clone)]
pub(crate) struct Pool {
    database: Arc<libsql::Database>,
    idle: Arc<Mutex<Vec<NativeDatabase>>>,
}

/// A connection on loan.
pub(crate) struct Lent {
    connection: Option<NativeDatabase>,
    idle: Arc<Mutex<Vec<NativeDatabase>>>,
}

impl Pool {
    pub(crate) async fn open(path: &Path) -> anyhow::Result<Self> {
        let path = path.to_str().context("the path is not UTF-8")?;
        let database = Arc::new(libsql::Builder::new_local(path).build().await?);
        Ok(Self { database, idle: Arc::default() })
    }

    pub(crate) fn take(&self) -> Result<Lent, SqlError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(|e| SqlError::Unavailable(e.to_string()))?,
        };
        Ok(Lent { connection: Some(connection), idle: self.idle.clone() })
    }

    fn connect(&self) -> Result<NativeDatabase, libsql::Error> {
        let connection = self.database.connect()?;
        connection.busy_timeout(Duration::from_secs(5))?;
        block_on(async {
            for pragma in
                ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"]
            {
                connection.query(pragma, ()).await?.next().await?;
            }
            Ok(connection.into())
        })
    }
}

impl Lent {
    fn connection(&self) -> Result<&NativeDatabase, SqlError> {
        self.connection
            .as_ref()
            .ok_or_else(|| SqlError::Unavailable("the connection was returned".to_owned()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(NativeDatabase::is_autocommit) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

impl Sql for Lent {
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        self.connection()?.query(sql, parameters)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        self.connection()?.execute(sql, parameters)
    }
}
