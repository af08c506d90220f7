//! Native libSQL as [`Sql`], for tests.

use futures::executor::block_on;

use crate::{Row, Sql, SqlError, Value};

/// A connection to a local libSQL database.
pub struct NativeDatabase {
    connection: libsql::Connection,
    fail_after: std::cell::Cell<Option<u32>>,
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
            Ok(Self { connection, fail_after: std::cell::Cell::new(None) })
        })
        .map_err(to_error)
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

impl Sql for NativeDatabase {
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        self.count(sql)?;
        let parameters: Vec<libsql::Value> = parameters.iter().map(to_libsql).collect();
        block_on(async {
            let mut rows = self.connection.query(sql, parameters).await?;
            let mut all = Vec::new();
            while let Some(row) = rows.next().await? {
                let values = (0..row.column_count()).map(|i| row.get_value(i).map(from_libsql));
                all.push(Row(values.collect::<Result<_, _>>()?));
            }
            Ok(all)
        })
        .map_err(to_error)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        self.query(sql, parameters)?;
        Ok(self.connection.changes())
    }
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
