//! `spin:sqlite@3.1.0`.

use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::SpinInterfaces;
use super::generated::spin::sqlite::sqlite::{
    Connection, Error, Host, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value,
};
use crate::instance::InstanceState;
use crate::storage::{SqlConnection, SqlDatabase, SqlError, SqlRows, SqlValue};

/// A connection that a component holds. The lock is for the asynchronous calls, which may overlap.
#[derive(Clone)]
pub struct OpenConnection(Arc<Mutex<Box<dyn SqlConnection>>>);

/// Connections an instance may hold open at once.
const OPEN_CONNECTIONS_MAX: usize = 256;

type Rows = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl InstanceState {
    fn granted_database(&self, label: &str) -> Result<Arc<dyn SqlDatabase>, Error> {
        match self.component.databases.get(label) {
            None => Err(Error::AccessDenied),
            Some(None) => Err(Error::NoSuchDatabase),
            Some(Some(database)) => Ok(database.clone()),
        }
    }

    fn open_connection(&mut self, label: &str) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let database = match self.granted_database(label) {
            Ok(database) => database,
            Err(e) => return Ok(Err(e)),
        };
        if self.open_connections >= OPEN_CONNECTIONS_MAX {
            let message = format!("an instance may hold {OPEN_CONNECTIONS_MAX} connections");
            return Ok(Err(Error::Io(message)));
        }
        self.open_connections += 1;
        Ok(Ok(self.table.push(OpenConnection(Arc::new(Mutex::new(database.open()))))?))
    }

    fn connection(&self, connection: &Resource<Connection>) -> wasmtime::Result<OpenConnection> {
        Ok(self.table.get(connection)?.clone())
    }
}

impl Host for InstanceState {}

impl HostConnection for InstanceState {
    fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        self.open_connection(&database)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let connection = self.table.get(&connection)?;
        let mut connection = connection.0.lock().await;
        let rows = connection.execute(&statement, parameters.into_iter().map(to_sql).collect()).await;
        Ok(rows.map(to_result).map_err(to_error))
    }

    async fn last_insert_rowid(&mut self, connection: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&connection)?.0.lock().await.last_insert_rowid())
    }

    async fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&connection)?.0.lock().await.changes())
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        self.open_connections -= 1;
        Ok(())
    }
}

impl<T> HostConnectionWithStore<T> for SpinInterfaces {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        accessor.with(|mut access| access.get().open_connection(&database))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        let parameters = parameters.into_iter().map(to_sql).collect();
        let rows = connection.0.lock().await.execute(&statement, parameters).await;
        match rows {
            Err(e) => Ok(Err(to_error(e))),
            Ok(rows) => accessor.with(|mut access| {
                let QueryResult { columns, rows } = to_result(rows);
                let stream = StreamReader::new(&mut access, rows)?;
                let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?;
                Ok(Ok((columns, stream, end)))
            }),
        }
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        let rowid = connection.0.lock().await.last_insert_rowid();
        Ok(rowid)
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        let changes = connection.0.lock().await.changes();
        Ok(changes)
    }
}

fn to_sql(value: Value) -> SqlValue {
    match value {
        Value::Integer(v) => SqlValue::Integer(v),
        Value::Real(v) => SqlValue::Real(v),
        Value::Text(v) => SqlValue::Text(v),
        Value::Blob(v) => SqlValue::Blob(v),
        Value::Null => SqlValue::Null,
    }
}

fn from_sql(value: SqlValue) -> Value {
    match value {
        SqlValue::Integer(v) => Value::Integer(v),
        SqlValue::Real(v) => Value::Real(v),
        SqlValue::Text(v) => Value::Text(v),
        SqlValue::Blob(v) => Value::Blob(v),
        SqlValue::Null => Value::Null,
    }
}

fn to_result(rows: SqlRows) -> QueryResult {
    let row = |values: Vec<SqlValue>| RowResult { values: values.into_iter().map(from_sql).collect() };
    QueryResult { columns: rows.columns, rows: rows.rows.into_iter().map(row).collect() }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn to_error(error: SqlError) -> Error {
    match error {
        SqlError::NoSuchDatabase => Error::NoSuchDatabase,
        SqlError::Full => Error::DatabaseFull,
        SqlError::Exhausted(_) | SqlError::Failed(_) => Error::Io(error.to_string()),
    }
}
