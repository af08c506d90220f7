//! The `events` table: the outbox that a relay reads, and, where there is no broker, the stream itself.

use edge_data::{CommitWatch, LocalDatabase};
use libsql::Connection;
use petwalker_journal::Envelope;

use crate::topic::{Entry, Pending, Reader, StreamError, Topic};

/// Records read at once.
const READ_MAX: u32 = 256;
/// Bytes of records after which no more are read at once.
const READ_BYTES_MAX: usize = 4 << 20;

/// Reads the `events` table of one database.
pub struct EventTable {
    connection: Connection,
    commits: CommitWatch,
}

impl EventTable {
    /// Reads the events of `database`.
    ///
    /// # Errors
    /// When no connection can be opened.
    pub async fn open(database: &LocalDatabase) -> Result<Self, StreamError> {
        Ok(Self { connection: database.connect().await?, commits: database.commits() })
    }

    /// Records after `seq`, at most `limit` and a few megabytes, in order, with their sequence numbers.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read_after(&self, seq: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StreamError> {
        let after = i64::try_from(seq).unwrap_or(i64::MAX);
        let sql = "SELECT seq, record FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut rows = self.connection.query(sql, (after, limit)).await?;
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < READ_BYTES_MAX
            && let Some(row) = rows.next().await?
        {
            let record = row.get::<Vec<u8>>(1)?;
            bytes += record.len();
            records.push((row.get::<u64>(0)?, record));
        }
        Ok(records)
    }

    /// Sequence number of the last event, 0 before the first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_seq(&self) -> Result<u64, StreamError> {
        let mut rows = self.connection.query("SELECT ifnull(max(seq), 0) FROM events", ()).await?;
        Ok(rows.next().await?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
    }

    /// The last event, with its sequence number; none before the first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last(&self) -> Result<Option<(u64, Vec<u8>)>, StreamError> {
        Ok(self.read_after(self.last_seq().await?.saturating_sub(1), 1).await?.pop())
    }

    /// Sequence number of the last event of a type.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_of_type(&self, event_type: &str) -> Result<Option<u64>, StreamError> {
        let sql = "SELECT max(seq) FROM events WHERE type = ?1";
        let mut rows = self.connection.query(sql, [event_type]).await?;
        Ok(rows.next().await?.map(|row| row.get::<Option<u64>>(0)).transpose()?.flatten())
    }

    /// Waits for the next commit to the database. False: the database is closed.
    pub async fn changed(&mut self) -> bool {
        self.commits.changed().await.is_ok()
    }
}

/// The table as a topic, for nodes without a broker: what is committed in it is in the stream, and its places are the
/// sequence numbers.
pub struct EmbeddedTopic(LocalDatabase);

impl EmbeddedTopic {
    /// The topic that `database` keeps.
    #[must_use]
    pub const fn new(database: LocalDatabase) -> Self {
        Self(database)
    }
}

impl Topic for EmbeddedTopic {
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        Box::pin(async move {
            let Some(last) = records.last() else { return Ok(()) };
            let seq = Envelope::decode(last)?.seq;
            let stored = EventTable::open(&self.0).await?.read_after(seq.saturating_sub(1), 1).await?;
            if stored.first().is_some_and(|(_, stored)| stored == last) {
                Ok(())
            } else {
                Err(StreamError::NotInTable(seq))
            }
        })
    }

    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
        Box::pin(async move {
            let table = EventTable::open(&self.0).await?;
            Ok(Box::new(TableReader { table, after: place.saturating_sub(1) }) as Box<dyn Reader>)
        })
    }

    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(async move {
            let table = EventTable::open(&self.0).await?;
            let after = table.last_seq().await?.saturating_sub(count.into());
            Ok(entries(table.read_after(after, count).await?))
        })
    }
}

struct TableReader {
    table: EventTable,
    after: u64,
}

impl Reader for TableReader {
    fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(async move {
            loop {
                let found = entries(self.table.read_after(self.after, READ_MAX).await?);
                if let Some(last) = found.last() {
                    self.after = last.place;
                    return Ok(found);
                }
                if !self.table.changed().await {
                    return Err(StreamError::Closed);
                }
            }
        })
    }
}

fn entries(rows: Vec<(u64, Vec<u8>)>) -> Vec<Entry> {
    rows.into_iter().map(|(place, record)| Entry { place, record }).collect()
}
