//! `spin:sqlite` as [`Sql`], and the component's clock and randomness.

use petwalker_kernel::{Entropy, Moment, UtcMillis};
use spin_sdk::sqlite::wit::sqlite as spin;

use crate::{Row, Sql, SqlError, Value};

/// A connection to one of the component's databases. Dropping it rolls back.
pub struct Database(spin::Connection);

impl Database {
    /// Opens the database of that label.
    ///
    /// # Errors
    /// When the host does not give it.
    pub fn open(label: &str) -> Result<Self, SqlError> {
        spin::Connection::open(label).map(Self).map_err(to_error)
    }

    fn run(&self, sql: &str, parameters: &[Value]) -> Result<spin::QueryResult, SqlError> {
        let parameters: Vec<spin::Value> = parameters.iter().map(to_spin).collect();
        self.0.execute(sql, &parameters).map_err(to_error)
    }
}

impl Sql for Database {
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let result = self.run(sql, parameters)?;
        Ok(result.rows.into_iter().map(|r| Row(r.values.into_iter().map(from_spin).collect())).collect())
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        self.run(sql, parameters)?;
        Ok(self.0.changes())
    }
}

fn to_spin(value: &Value) -> spin::Value {
    match value {
        Value::Null => spin::Value::Null,
        Value::Integer(v) => spin::Value::Integer(*v),
        Value::Real(v) => spin::Value::Real(*v),
        Value::Text(v) => spin::Value::Text(v.clone()),
        Value::Blob(v) => spin::Value::Blob(v.clone()),
    }
}

fn from_spin(value: spin::Value) -> Value {
    match value {
        spin::Value::Null => Value::Null,
        spin::Value::Integer(v) => Value::Integer(v),
        spin::Value::Real(v) => Value::Real(v),
        spin::Value::Text(v) => Value::Text(v),
        spin::Value::Blob(v) => Value::Blob(v),
    }
}

fn to_error(error: spin::Error) -> SqlError {
    match error {
        spin::Error::Io(text) if text.to_ascii_lowercase().contains("constraint") => {
            SqlError::Constraint(text)
        }
        spin::Error::Io(text) => SqlError::Unavailable(text),
        spin::Error::NoSuchDatabase => SqlError::Unavailable("no such database on this node".to_owned()),
        spin::Error::AccessDenied => {
            SqlError::Unavailable("the manifest does not grant the database".to_owned())
        }
        spin::Error::InvalidConnection => SqlError::Unavailable("the connection is gone".to_owned()),
        spin::Error::DatabaseFull => SqlError::Unavailable("the database is full".to_owned()),
    }
}

/// The component's own clock and randomness: the one place they come from.
pub struct Ambient;

impl Ambient {
    /// The present moment.
    #[must_use]
    pub fn now() -> UtcMillis {
        #[expect(clippy::disallowed_methods, reason = "the one place where components read the clock")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UtcMillis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Runs `work` with the present moment.
    pub fn moment<T>(work: impl FnOnce(&mut Moment<'_>) -> T) -> T {
        work(&mut Moment { now: Self::now(), entropy: &mut Self })
    }
}

impl Entropy for Ambient {
    fn fill(&mut self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one place where components take randomness")]
        getrandom::fill(bytes).expect("wasi:random never fails");
    }
}
