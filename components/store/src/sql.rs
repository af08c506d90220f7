//! Statements, values and transactions.

/// One value of a parameter or a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
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

/// Why the database did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The database cannot be used.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// A uniqueness or check constraint said no; the text names it.
    #[error("constraint: {0}")]
    Constraint(String),
    /// A row is not of the expected shape.
    #[error("unexpected row: column {column} is not {expected}")]
    Shape {
        /// Index of the column.
        column: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// A stored value cannot be read.
    #[error("unreadable stored value: {0}")]
    Stored(String),
}

/// One connection to a database.
pub trait Sql {
    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// When the database refuses or cannot be used.
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError>;

    /// Runs one statement; the number of rows it changed.
    ///
    /// # Errors
    /// When the database refuses or cannot be used.
    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError>;

    /// The first row, where there is one.
    ///
    /// # Errors
    /// When the database refuses or cannot be used.
    fn first(&self, sql: &str, parameters: &[Value]) -> Result<Option<Row>, SqlError> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }
}

/// Runs `work` in a transaction that writes: commits what succeeds, rolls back what fails.
///
/// # Errors
/// The error of `work`, or the database's own.
pub fn transaction<S: Sql, T, E: From<SqlError>>(
    sql: &S,
    work: impl FnOnce(&S) -> Result<T, E>,
) -> Result<T, E> {
    sql.execute("BEGIN IMMEDIATE", &[])?;
    let outcome = work(sql).and_then(|done| {
        sql.execute("COMMIT", &[])?;
        Ok(done)
    });
    if outcome.is_err() {
        // SQLite may have rolled back by itself, and a connection that is dropped always does: the first error is the
        // one to tell.
        drop(sql.execute("ROLLBACK", &[]));
    }
    outcome
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

impl Row {
    fn shape(column: usize, expected: &'static str) -> SqlError {
        SqlError::Shape { column, expected }
    }

    /// The integer in a column.
    ///
    /// # Errors
    /// When it is something else.
    pub fn int(&self, column: usize) -> Result<i64, SqlError> {
        match self.0.get(column) {
            Some(Value::Integer(v)) => Ok(*v),
            _ => Err(Self::shape(column, "an integer")),
        }
    }

    /// The integer in a column as an unsigned one.
    ///
    /// # Errors
    /// When it is something else or out of range.
    pub fn uint<T: TryFrom<i64>>(&self, column: usize) -> Result<T, SqlError> {
        T::try_from(self.int(column)?).map_err(|_| Self::shape(column, "in range"))
    }

    /// The integer in a column, none for NULL.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, SqlError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    /// The double in a column.
    ///
    /// # Errors
    /// When it is something else.
    pub fn real(&self, column: usize) -> Result<f64, SqlError> {
        match self.0.get(column) {
            Some(Value::Real(v)) => Ok(*v),
            #[expect(
                clippy::cast_precision_loss,
                reason = "SQLite stores a whole double as an integer where it can"
            )]
            Some(Value::Integer(v)) => Ok(*v as f64),
            _ => Err(Self::shape(column, "a number")),
        }
    }

    /// The text in a column.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, column: usize) -> Result<&str, SqlError> {
        match self.0.get(column) {
            Some(Value::Text(v)) => Ok(v),
            _ => Err(Self::shape(column, "text")),
        }
    }

    /// The text in a column, none for NULL.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, SqlError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// The bytes in a column.
    ///
    /// # Errors
    /// When it is something else.
    pub fn blob(&self, column: usize) -> Result<&[u8], SqlError> {
        match self.0.get(column) {
            Some(Value::Blob(v)) => Ok(v),
            _ => Err(Self::shape(column, "bytes")),
        }
    }

    /// The bytes in a column, none for NULL.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, SqlError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.blob(column).map(Some),
        }
    }

    /// The text in a column, parsed.
    ///
    /// # Errors
    /// When it is something else or does not parse.
    pub fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T, SqlError>
    where
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|e: T::Err| SqlError::Stored(e.to_string()))
    }

    /// The MessagePack in a column, decoded.
    ///
    /// # Errors
    /// When it is something else or does not decode.
    pub fn decode<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, SqlError> {
        rmp_serde::from_slice(self.blob(column)?).map_err(|e| SqlError::Stored(e.to_string()))
    }
}

impl Value {
    /// A value as MessagePack, its fields in their order and without their names: what a projection keeps, which can be
    /// made anew from the events. A field that is added later comes last and has a default.
    ///
    /// # Errors
    /// When it cannot be written so.
    pub fn encode<T: serde::Serialize>(value: &T) -> Result<Self, SqlError> {
        rmp_serde::to_vec(value).map(Self::Blob).map_err(|e| SqlError::Stored(e.to_string()))
    }

    /// Any id or other displayed value as text.
    pub fn display(value: &impl std::fmt::Display) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Integer(v)
    }
}

impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::Integer(v.into())
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Real(v)
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}

impl From<&[u8]> for Value {
    fn from(v: &[u8]) -> Self {
        Self::Blob(v.to_owned())
    }
}

impl From<petwalker_kernel::UtcMillis> for Value {
    fn from(v: petwalker_kernel::UtcMillis) -> Self {
        Self::Integer(v.get())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}
