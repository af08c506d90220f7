//! What the runtime asks of the layer that holds the databases.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future that a storage back end returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One value of a row or a parameter, as SQLite knows them.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// All rows of one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlRows {
    /// Column names, in order.
    pub columns: Vec<String>,
    /// One vector of values a row.
    pub rows: Vec<Vec<SqlValue>>,
}

/// Why a statement or an opening failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SqlError {
    /// No database of that label is configured.
    #[error("no database is configured under that label")]
    NoSuchDatabase,
    /// The disk or the database's own limit is reached.
    #[error("the database is full")]
    Full,
    /// Every connection is in use and stayed so.
    #[error("all {0} connections to the database are in use")]
    Exhausted(usize),
    /// Anything else, in SQLite's words.
    #[error("{0}")]
    Failed(String),
}

/// A database that components open by its label.
pub trait SqlDatabase: Send + Sync {
    /// A connection, which takes what it needs with its first statement. Dropping it rolls back what was not committed.
    fn open(&self) -> Box<dyn SqlConnection>;
}

/// One connection. Statements on it run one after the other.
pub trait SqlConnection: Send {
    /// Runs one statement and returns all its rows.
    fn execute(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Pending<'_, Result<SqlRows, SqlError>>;
    /// Row id of the last insert, or 0.
    fn last_insert_rowid(&self) -> i64;
    /// Rows changed by the last INSERT, UPDATE or DELETE.
    fn changes(&self) -> u64;
}

/// A key-value store that components open by its label.
pub trait KeyValueStore: Send + Sync {
    /// The value under `key`.
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Result<Option<Vec<u8>>, SqlError>>;
    /// Writes `value` under `key`.
    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Pending<'a, Result<(), SqlError>>;
    /// Removes `key`; no error where there is none.
    fn delete<'a>(&'a self, key: &'a str) -> Pending<'a, Result<(), SqlError>>;
    /// Every key, in order.
    fn keys(&self) -> Pending<'_, Result<Vec<String>, SqlError>>;
}

/// The databases and stores of a node, by label.
pub trait Storage: Send + Sync {
    /// The database of that label.
    fn database(&self, label: &str) -> Option<Arc<dyn SqlDatabase>>;
    /// The key-value store of that label.
    fn key_value(&self, label: &str) -> Option<Arc<dyn KeyValueStore>>;
}

/// Storage with nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStorage;

impl Storage for NoStorage {
    fn database(&self, _label: &str) -> Option<Arc<dyn SqlDatabase>> {
        None
    }

    fn key_value(&self, _label: &str) -> Option<Arc<dyn KeyValueStore>> {
        None
    }
}
