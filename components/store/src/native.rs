//! Native libSQL as [`Sql`], for tests and for what the benches compare with.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use futures::executor::block_on;

use crate::{Row, Sql, SqlError, Value};

/// A connection to a local libSQL database, with the statements prepared on it.
pub struct NativeDatabase {
    connection: libsql::Connection,
    statements: RefCell<HashMap<String, libsql::Statement>>,
    fail_after: Cell<Option<u32>>,
}

impl NativeDatabase {
    /// An empty database in memory with this schema.
    ///
    /// # Errors
    /// When the schema does not run.
    pub fn in_memory(schema: &str) -> Result<Self, SqlError> {
        Self::open(":memory:", schema)
    }

    /// The database at `path`, with this schema run on it.
    ///
    /// # Errors
    /// When it does not open or the schema does not run.
    pub fn open(path: &str, schema: &str) -> Result<Self, SqlError> {
        block_on(async {
            let connection = libsql::Builder::new_local(path).build().await?.connect()?;
            connection.query("PRAGMA foreign_keys = ON", ()).await?.next().await?;
            connection.execute_batch(schema).await?;
            Ok(Self::from(connection))
        })
        .map_err(to_error)
    }

    /// Whether no transaction is open.
    #[must_use]
    pub fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Lets `statements` more statements run; the one after them fails, once.
    pub fn fail_after(&self, statements: u32) {
        self.fail_after.set(Some(statements));
    }

    fn count(&self, sql: &str) -> Result<(), SqlError> {
        match self.fail_after.get() {
            _ if sql == "ROLLBACK" => Ok(()),
            Some(0) => {
                self.fail_after.set(None);
                Err(SqlError::Unavailable("failed on purpose".to_owned()))
            }
            Some(left) => {
                self.fail_after.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl From<libsql::Connection> for NativeDatabase {
    fn from(connection: libsql::Connection) -> Self {
        Self { connection, statements: RefCell::default(), fail_after: Cell::new(None) }
    }
}

impl Sql for NativeDatabase {
    #[expect(clippy::await_holding_refcell_ref, reason = "local statements never wait: one poll finishes it")]
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        self.count(sql)?;
        block_on(async {
            let mut statements = self.statements.borrow_mut();
            if !statements.contains_key(sql) {
                statements.insert(sql.to_owned(), self.connection.prepare(sql).await?);
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
        Ok(self.connection.changes())
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
    let text = error.to_string();
    if text.to_ascii_lowercase().contains("constraint") {
        SqlError::Constraint(text)
    } else {
        SqlError::Unavailable(text)
    }
}
