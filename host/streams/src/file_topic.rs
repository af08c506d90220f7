//! A topic in a file, for nodes on one machine that have no broker: in one process or in several.
//!
//! It outlives the node that appends to it, so that another goes on from its end. It is what a cluster on a developer's
//! machine and the tests of real processes use; machines apart want a broker, which keeps its records on several.

use std::path::Path;
use std::time::Duration;

use edge_data::{CommitWatch, LocalDatabase, PoolOptions};
use edge_runtime::storage::{SqlDatabase as _, SqlValue};
use libsql::Connection;

use crate::topic::{Entry, Pending, Reader, StreamError, Topic};

/// Entries handed to a reader at once.
const READ_MAX: u32 = 256;
/// How often a reader looks whether another process appended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS topic (place INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL) STRICT";

/// A topic in a file of its own.
#[derive(Clone)]
pub struct FileTopic(LocalDatabase);

impl FileTopic {
    /// The topic that the file holds, which is made where it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, StreamError> {
        let database = LocalDatabase::open(path, PoolOptions::default()).await?;
        database.connect().await?.execute(CREATE, ()).await?;
        Ok(Self(database))
    }

    async fn reader(&self) -> Result<(Connection, CommitWatch), StreamError> {
        Ok((self.0.connect().await?, self.0.commits()))
    }
}

impl Topic for FileTopic {
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        Box::pin(async move {
            let mut connection = self.0.open();
            connection.execute("BEGIN IMMEDIATE", vec![]).await?;
            for record in records {
                let insert = "INSERT INTO topic (record) VALUES (?1)";
                connection.execute(insert, vec![SqlValue::Blob(record)]).await?;
            }
            connection.execute("COMMIT", vec![]).await?;
            Ok(())
        })
    }

    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
        Box::pin(async move {
            let (connection, commits) = self.reader().await?;
            Ok(Box::new(FileReader { connection, commits, next: place }) as Box<dyn Reader>)
        })
    }

    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(async move {
            let (connection, _) = self.reader().await?;
            let sql = "SELECT place, record FROM (SELECT place, record FROM topic ORDER BY place DESC LIMIT ?1) \
                       ORDER BY place";
            entries(&connection, sql, libsql::params![count]).await
        })
    }
}

async fn entries(
    connection: &Connection,
    sql: &str,
    parameters: impl libsql::params::IntoParams,
) -> Result<Vec<Entry>, StreamError> {
    let mut rows = connection.query(sql, parameters).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(Entry { place: row.get(0)?, record: row.get(1)? });
    }
    Ok(found)
}

struct FileReader {
    connection: Connection,
    commits: CommitWatch,
    next: u64,
}

impl Reader for FileReader {
    fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(async move {
            loop {
                let sql = "SELECT place, record FROM topic WHERE place >= ?1 ORDER BY place LIMIT ?2";
                let found = entries(&self.connection, sql, libsql::params![self.next, READ_MAX]).await?;
                if let Some(last) = found.last() {
                    self.next = last.place + 1;
                    return Ok(found);
                }
                // A commit of this process is heard of; one of another is looked for.
                if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, self.commits.changed()).await {
                    return Err(StreamError::Closed);
                }
            }
        })
    }
}
