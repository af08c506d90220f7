//! A region's stream as whoever keeps it keeps it: appended to by the owner, read by everybody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future that a back end returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One record in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the topic, rising; where a reader that was away goes on. It is the topic's own: a record that was
    /// appended twice has two.
    pub place: u64,
    /// Its bytes, as they were appended.
    pub record: Vec<u8>,
}

/// The end of a topic, as far as it is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Records in order.
    pub entries: Vec<Entry>,
    /// Whether these are all.
    pub whole: bool,
}

/// Why a topic was not read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The event table cannot be read.
    #[error("cannot read the event table: {0}")]
    Table(#[from] libsql::Error),
    /// The topic's file cannot be opened.
    #[error(transparent)]
    Open(#[from] edge_data::OpenError),
    /// The topic's file cannot be written.
    #[error("cannot write the topic's file: {0}")]
    File(#[from] edge_runtime::storage::SqlError),
    /// A record is not an event of this stream.
    #[error("a record cannot be read: {0}")]
    Record(#[from] petwalker_journal::JournalError),
    /// The table is the stream, and these records are not in it.
    #[error("record {0} is not in the event table, which is the stream itself: append it there first")]
    NotInTable(u64),
    /// The database is closed.
    #[error("the database of the event table is closed")]
    Closed,
    /// An application elsewhere did not give its events.
    #[error("the application at {url} did not give its events: {reason}")]
    Outbox {
        /// Where it is.
        url: String,
        /// What it, or the network, said.
        reason: String,
    },
    /// The broker is away, or refuses.
    #[error("the broker at {endpoint} cannot be used for topic '{topic}': {reason}")]
    Broker {
        /// Where it should be.
        endpoint: String,
        /// The topic.
        topic: String,
        /// What it, or the network, said.
        reason: String,
    },
    /// A reader is told of nothing, though there is something.
    #[error("the topic holds records that its reader was not told of: it is read anew")]
    Silent,
    /// The broker keeps records to itself, none of which is this node's as far as it shows them.
    #[error("the topic's end was not shown, and nothing before it is this node's")]
    Hidden,
    /// The broker did not answer in time.
    #[error("the broker at {endpoint} did not answer for topic '{topic}' within {seconds} s")]
    TimedOut {
        /// Where it is.
        endpoint: String,
        /// The topic.
        topic: String,
        /// How long was waited.
        seconds: u64,
    },
}

/// The stream of one region.
pub trait Topic: Send + Sync + 'static {
    /// Appends records in order. When it returns they are committed: on every replica where there are replicas. After
    /// an error some of them may be there, and may still arrive: append them again, readers drop what comes twice.
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>>;

    /// Reads from `place` on, or from the first record kept where that is gone.
    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>>;

    /// The last committed records, at most `count`, in order: all of them, or an error.
    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>>;

    /// The same as far as they are to be had: a broker that has just come back may keep the last of them to itself until
    /// somebody appends. For those alone who append again what they do not find.
    fn tail_so_far(&self, count: u32) -> Pending<'_, Result<Tail, StreamError>> {
        Box::pin(async move { Ok(Tail { entries: self.tail(count).await?, whole: true }) })
    }

    /// Has whoever keeps the topic show everything that is committed in it, by appending once more what a reader has
    /// already. Where nothing is ever hidden there is nothing to do.
    fn show_all(&self, _last: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        Box::pin(async { Ok(()) })
    }
}

impl<T: Topic + ?Sized> Topic for Arc<T> {
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        (**self).append(records)
    }

    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
        (**self).read(place)
    }

    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        (**self).tail(count)
    }

    fn show_all(&self, last: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        (**self).show_all(last)
    }

    fn tail_so_far(&self, count: u32) -> Pending<'_, Result<Tail, StreamError>> {
        (**self).tail_so_far(count)
    }
}

/// Somebody reading a topic.
pub trait Reader: Send {
    /// What comes next: at least one record, waiting for it where need be. Dropping the future loses nothing.
    fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>>;
}
