//! The `events` table as a stream.

use edge_data::{CommitWatch, LocalDatabase};
use libsql::Connection;

/// Why the stream could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the event table")]
pub struct StreamError(#[from] pub(crate) libsql::Error);

/// Reads the `events` table of one database.
pub struct EmbeddedStream {
    connection: Connection,
    commits: CommitWatch,
}

impl EmbeddedStream {
    /// Reads the events of `database`.
    ///
    /// # Errors
    /// When no connection can be opened.
    pub async fn open(database: &LocalDatabase) -> Result<Self, StreamError> {
        Ok(Self { connection: database.connect().await?, commits: database.commits() })
    }

    /// Records after `seq`, at most `limit`, in order, with their sequence numbers.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read_after(&self, seq: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StreamError> {
        let after = i64::try_from(seq).unwrap_or(i64::MAX);
        let mut rows = self
            .connection
            .query("SELECT seq, record FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2", (after, limit))
            .await?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().await? {
            records.push((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?));
        }
        Ok(records)
    }

    /// Waits for the next commit to the database. False: the database is closed.
    pub async fn changed(&mut self) -> bool {
        self.commits.changed().await.is_ok()
    }
}
