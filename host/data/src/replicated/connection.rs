//! What a component holds of a replicated database.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use edge_runtime::storage::{Pending, SqlConnection, SqlDatabase as _, SqlError, SqlRows, SqlValue};
use libsql::Connection;

use super::Shared;
use crate::statement::Kind;

/// Reads the replica until it begins to write; from then until the end of the transaction, everything is the primary's.
pub(super) struct ReplicatedConnection {
    shared: Arc<Shared>,
    local: Option<Box<dyn SqlConnection>>,
    /// The primary's connection, while a transaction is open on it.
    transaction: Option<Connection>,
    changes: u64,
    last_insert_rowid: i64,
}

impl ReplicatedConnection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, local: None, transaction: None, changes: 0, last_insert_rowid: 0 }
    }

    async fn run(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        if self.transaction.is_some() {
            return self.go_on(sql, parameters).await;
        }
        match Kind::of(sql) {
            Kind::Select => self.read(sql, parameters).await,
            Kind::Write | Kind::Control if begins(sql) => self.begin(sql).await,
            Kind::Write => self.write_alone(sql, parameters).await,
            Kind::Control => Err(SqlError::Failed(format!("'{sql}' outside a transaction"))),
        }
    }

    async fn read(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let shared = self.shared.clone();
        if !shared.is_fresh() {
            let newest = shared.primary.read(sql, parameters.clone()).await;
            // A primary that is away leaves reads: what the replica has is better than nothing, unless it is damaged.
            if newest.is_ok() || shared.damaged.load(Ordering::Acquire) {
                return newest;
            }
        }
        let local = self.local.get_or_insert_with(|| shared.replica().local.open());
        match local.execute(sql, parameters.clone()).await {
            Err(error) if is_damage(&error) => {
                self.local = None;
                shared.report_damage(&error);
                shared.primary.read(sql, parameters).await
            }
            other => other,
        }
    }

    async fn begin(&mut self, sql: &str) -> Result<SqlRows, SqlError> {
        if self.shared.held.load(Ordering::Acquire) {
            let message = "the primary database lost writes; an operator must restore it";
            return Err(SqlError::Failed(message.to_owned()));
        }
        let connection = self.shared.primary.take()?;
        let rows = self.shared.primary.run(&connection, sql, vec![]).await?;
        self.transaction = Some(connection);
        Ok(rows)
    }

    /// A statement within the transaction, or its end.
    async fn go_on(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        let Some(connection) = &self.transaction else { return Err(closed()) };
        let primary = &self.shared.primary;
        if commits(sql) {
            let seq = primary.count_write(connection).await?;
            let rows = primary.run(connection, sql, parameters).await?;
            if let Some(connection) = self.transaction.take() {
                primary.give_back(connection);
            }
            self.local = None;
            self.shared.written(seq).await;
            return Ok(rows);
        }
        let result = primary.run(connection, sql, parameters).await;
        self.changes = connection.changes();
        self.last_insert_rowid = connection.last_insert_rowid();
        if rolls_back(sql)
            && let Some(connection) = self.transaction.take()
            && result.is_ok()
        {
            primary.give_back(connection);
        }
        result
    }

    /// A statement that is a transaction by itself.
    async fn write_alone(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Result<SqlRows, SqlError> {
        self.begin("BEGIN IMMEDIATE").await?;
        let rows = self.go_on(sql, parameters).await;
        match rows {
            Ok(rows) => self.go_on("COMMIT", vec![]).await.map(|_| rows),
            Err(error) => {
                // Its failure says nothing that the first one does not: dropping the connection rolls back as well.
                if self.go_on("ROLLBACK", vec![]).await.is_err() {
                    self.transaction = None;
                }
                Err(error)
            }
        }
    }
}

impl SqlConnection for ReplicatedConnection {
    fn execute(&mut self, sql: &str, parameters: Vec<SqlValue>) -> Pending<'_, Result<SqlRows, SqlError>> {
        let sql = sql.to_owned();
        Box::pin(async move { self.run(&sql, parameters).await })
    }

    fn last_insert_rowid(&self) -> i64 {
        self.last_insert_rowid
    }

    fn changes(&self) -> u64 {
        self.changes
    }
}

impl Drop for ReplicatedConnection {
    fn drop(&mut self) {
        // The server rolls back by itself, but only after seconds in which nobody else can write.
        if let (Some(connection), Ok(runtime)) =
            (self.transaction.take(), tokio::runtime::Handle::try_current())
        {
            let shared = self.shared.clone();
            runtime.spawn(async move {
                match shared.primary.run(&connection, "ROLLBACK", vec![]).await {
                    Ok(_) => shared.primary.give_back(connection),
                    Err(error) => {
                        tracing::debug!(%error, "a transaction is left to the primary to roll back");
                    }
                }
            });
        }
    }
}

fn closed() -> SqlError {
    SqlError::Failed("no transaction is open".to_owned())
}

fn begins(sql: &str) -> bool {
    starts_with(sql, "BEGIN")
}

fn commits(sql: &str) -> bool {
    starts_with(sql, "COMMIT") || starts_with(sql, "END")
}

fn rolls_back(sql: &str) -> bool {
    starts_with(sql, "ROLLBACK") && !sql.to_ascii_uppercase().contains(" TO ")
}

fn starts_with(sql: &str, word: &str) -> bool {
    sql.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Whether the file itself is broken.
pub(super) fn is_damage(error: &SqlError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["malformed", "not a database", "disk i/o error"].iter().any(|sign| text.contains(sign))
}
