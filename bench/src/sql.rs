//! Pooled native connections with their statements prepared, behind the components' own `Sql`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures::executor::block_on;
use petwalker_store::{Row, Sql, SqlError, Value};

/// A pool over one database file.
#[derive(Clone)]
pub(crate) struct Pool {
    database: Arc<libsql::Database>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// A connection with the statements prepared on it.
struct Connection {
    raw: libsql::Connection,
    statements: RefCell<HashMap<String, libsql::Statement>>,
}

/// A connection on loan.
pub(crate) struct Lent {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
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
            None => self.connect().map_err(to_error)?,
        };
        Ok(Lent { connection: Some(connection), idle: self.idle.clone() })
    }

    fn connect(&self) -> Result<Connection, libsql::Error> {
        let raw = self.database.connect()?;
        raw.busy_timeout(std::time::Duration::from_secs(5))?;
        block_on(async {
            for pragma in
                ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"]
            {
                raw.query(pragma, ()).await?.next().await?;
            }
            Ok::<_, libsql::Error>(())
        })?;
        Ok(Connection { raw, statements: RefCell::default() })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|c| c.raw.is_autocommit()) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

impl Sql for Lent {
    #[expect(clippy::await_holding_refcell_ref, reason = "local statements never wait: one poll finishes it")]
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let connection =
            self.connection.as_ref().ok_or_else(|| SqlError::Unavailable("returned".to_owned()))?;
        block_on(async {
            let mut statements = connection.statements.borrow_mut();
            if !statements.contains_key(sql) {
                statements.insert(sql.to_owned(), connection.raw.prepare(sql).await?);
            }
            let statement = &statements[sql];
            let rows = collect(statement, parameters).await;
            statement.reset();
            rows
        })
        .map_err(to_error)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        self.query(sql, parameters)?;
        Ok(self.connection.as_ref().map_or(0, |c| c.raw.changes()))
    }
}

async fn collect(statement: &libsql::Statement, parameters: &[Value]) -> Result<Vec<Row>, libsql::Error> {
    let parameters: Vec<libsql::Value> = parameters.iter().map(to_libsql).collect();
    let mut rows = statement.query(parameters).await?;
    let count = rows.column_count();
    let mut all = Vec::new();
    while let Some(row) = rows.next().await? {
        let values = (0..count).map(|i| row.get_value(i).map(from_libsql));
        all.push(Row(values.collect::<Result<_, _>>()?));
    }
    Ok(all)
}

fn to_libsql(value: &Value) -> libsql::Value {
    match value {
        Value::Null => libsql::Value::Null,
        Value::Integer(v) => libsql::Value::Integer(*v),
        Value::Real(v) => libsql::Value::Real(*v),
        Value::Text(v) => libsql::Value::Text(v.clone()),
        Value::Blob(v) => libsql::Value::Blob(v.clone()),
    }
}

fn from_libsql(value: libsql::Value) -> Value {
    match value {
        libsql::Value::Null => Value::Null,
        libsql::Value::Integer(v) => Value::Integer(v),
        libsql::Value::Real(v) => Value::Real(v),
        libsql::Value::Text(v) => Value::Text(v),
        libsql::Value::Blob(v) => Value::Blob(v),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn to_error(error: libsql::Error) -> SqlError {
    SqlError::Unavailable(error.to_string())
}
