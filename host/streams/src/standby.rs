//! A standby: follows a region's topic and has its events taken over, so that this node can go on where the owner stopped.
//!
//! Where it stands, its own file says: the last event there. It reads the topic from a place that is surely before that, and
//! passes over what it has.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_data::LocalDatabase;
use petwalker_journal::{Envelope, Position, RecordDigest};
use tokio::sync::watch;

use crate::batch::runs;
use crate::chain::Log;
use crate::event_table::EventTable;
use crate::follow::{Follower, Verdict};
use crate::log_reader::LogReader;
use crate::relay::DeliverError;
use crate::topic::{Entry, Pending, StreamError, Topic};

/// Records handed over at once.
const BATCH_MAX: usize = 256;
/// The event that an owner writes first of all: from it on, what it wrote may not have reached the topic.
pub const OPENED: &str = "region.opened";
/// After how long without a record the topic is asked whether there is one.
const SILENCE: Duration = Duration::from_secs(5);
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Takes over events: stores them and makes their rows.
pub trait TakeOver: Send + Sync + 'static {
    /// Takes over records in order; what is there already is passed over. Returns the sequence number of the last event
    /// there is then.
    fn take_over(&self, records: Vec<Vec<u8>>) -> impl Future<Output = Result<u64, DeliverError>> + Send;
}

/// Where records that the topic lacks are to be had: the region's owner.
pub trait Source: Send + Sync + 'static {
    /// Records after that number, in order; none where nobody has them now.
    fn records_after(&self, seq: u64) -> Pending<'_, Result<Vec<Vec<u8>>, StreamError>>;
}

/// Why a standby cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// What is here was never the owner's, or was left behind by it: the file must be made anew.
    #[error("event {seq} of the topic does not follow what is here: this file must be made anew")]
    Fork {
        /// The event.
        seq: u64,
    },
    /// Events are missing that neither the topic nor the owner has now.
    #[error("events {from} to {to} are in neither the topic nor to be had from the owner now")]
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The topic or the file cannot be read.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The events were not taken over.
    #[error(transparent)]
    TakeOver(#[from] DeliverError),
}

impl StandbyError {
    /// Whether the same again may succeed.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        !matches!(self, Self::Fork { .. })
    }
}

/// What a standby did, for metrics and for those who wait for it.
#[derive(Clone, Debug, Default)]
pub struct StandbyStatus(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    reached: AtomicU64,
    seen: AtomicU64,
    lag_ms: AtomicU64,
    failures: AtomicU64,
    repaired: AtomicU64,
}

impl StandbyStatus {
    /// The last event taken over.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.0.reached.load(Ordering::Relaxed)
    }

    /// Events of the topic that were read and not yet taken over.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed).saturating_sub(self.reached())
    }

    /// From an event's happening to its being taken over, milliseconds, for the last one: by two nodes' clocks.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        self.0.lag_ms.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Events that were had from the owner because the topic lacked them.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.0.repaired.load(Ordering::Relaxed)
    }
}

/// A standby of one region.
pub struct Standby<A> {
    topic: Arc<dyn Topic>,
    database: LocalDatabase,
    source: Option<Arc<dyn Source>>,
    taker: A,
    status: StandbyStatus,
}

impl<A: TakeOver> Standby<A> {
    /// Follows `topic` for the region's file `database`; `taker` stores what comes.
    pub fn new(
        topic: Arc<dyn Topic>,
        database: LocalDatabase,
        source: Option<Arc<dyn Source>>,
        taker: A,
        status: StandbyStatus,
    ) -> Self {
        Self { topic, database, source, taker, status }
    }

    /// Follows until `stop` turns true, trying again what may succeed.
    ///
    /// # Errors
    /// When the file must be made anew.
    pub async fn follow(&self, mut stop: watch::Receiver<bool>) -> Result<(), StandbyError> {
        let mut wait = BACK_OFF.0;
        while !*stop.borrow() {
            let before = self.status.reached();
            let followed = tokio::select! {
                followed = self.read_on(None) => followed,
                _ = stop.changed() => return Ok(()),
            };
            let Err(error) = followed else { continue };
            if !error.is_passing() {
                return Err(error);
            }
            self.status.0.failures.fetch_add(1, Ordering::Relaxed);
            if self.status.reached() > before {
                wait = BACK_OFF.0;
            }
            tracing::warn!(error = %error, retry_in_ms = wait.as_millis(), "the region's events are not followed");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => return Ok(()),
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
        Ok(())
    }

    /// Takes over everything that the topic holds now.
    ///
    /// A broker may have come back with records that it shows nobody: it is handed the last event here once more, which all who
    /// read it drop. Once that is committed, so is everything before it.
    ///
    /// # Errors
    /// When it cannot be read or taken over.
    pub async fn catch_up(&self) -> Result<(), StandbyError> {
        let last = EventTable::open(&self.database).await?.last().await?;
        self.topic.show_all(last.into_iter().map(|(_, record)| record).collect()).await?;
        match self.topic.tail(1).await?.last() {
            Some(last) => self.read_on(Some(last.place)).await,
            None => Ok(()),
        }
    }

    /// Takes over the log that was found in the topic, into a file that has nothing of it yet.
    ///
    /// # Errors
    /// When it cannot be read or taken over.
    pub async fn take_over_whole(&self, log: &Log) -> Result<(), StandbyError> {
        let mut reader = LogReader::open(&*self.topic, log).await?;
        let mut follower = Follower::at(Position::START);
        loop {
            let ready = reader.next().await?;
            if ready.is_empty() {
                return Ok(());
            }
            for part in ready.chunks(BATCH_MAX) {
                for record in part {
                    follower.judge(record).map_err(StreamError::from)?;
                }
                self.hand_over(follower.position(), part.to_vec()).await?;
            }
        }
    }

    /// Reads on to a place, or for ever.
    async fn read_on(&self, end: Option<u64>) -> Result<(), StandbyError> {
        let table = EventTable::open(&self.database).await?;
        let position = table.position().await?;
        let Some(first) = self.first().await? else { return self.wait_for_the_first(end).await };
        let start = start(&table, &first, position).await?;
        let mut reader = self.topic.read(start).await?;
        let mut follower = Follower::at(position);
        self.status.0.reached.store(position.seq, Ordering::Relaxed);
        let mut read = start.checked_sub(1);
        loop {
            let Ok(entries) = tokio::time::timeout(SILENCE, reader.next()).await else {
                self.ensure_nothing_is_missed(read).await?;
                continue;
            };
            let entries = entries?;
            let Some(place) = entries.last().map(|entry| entry.place) else { continue };
            read = Some(place);
            for part in entries.chunks(BATCH_MAX) {
                self.take(&mut follower, part).await?;
            }
            if end.is_some_and(|end| place >= end) {
                return Ok(());
            }
        }
    }

    /// That the topic holds nothing beyond what was read: a reader whose broker stood still for a while may never be told
    /// of anything again, nor of that.
    async fn ensure_nothing_is_missed(&self, read: Option<u64>) -> Result<(), StandbyError> {
        match self.topic.tail(1).await?.last() {
            Some(last) if read.is_none_or(|read| last.place > read) => Err(StreamError::Silent.into()),
            _ => Ok(()),
        }
    }

    /// The first record that the topic keeps; none in an empty one.
    async fn first(&self) -> Result<Option<Entry>, StreamError> {
        if self.topic.tail(1).await?.is_empty() {
            return Ok(None);
        }
        Ok(self.topic.read(0).await?.next().await?.into_iter().next())
    }

    async fn wait_for_the_first(&self, end: Option<u64>) -> Result<(), StandbyError> {
        if end.is_none() {
            self.topic.read(0).await?.next().await?;
        }
        Ok(())
    }

    /// Has what is next of these entries taken over.
    async fn take(&self, follower: &mut Follower, entries: &[Entry]) -> Result<(), StandbyError> {
        let mut next = Vec::new();
        for entry in entries {
            let verdict = follower.judge(&entry.record).map_err(StreamError::from)?;
            match verdict {
                Verdict::Next => next.push(entry.record.clone()),
                Verdict::Repeated => {}
                Verdict::Stale => {
                    tracing::debug!("a record of an owner that had lost the region was passed over");
                }
                Verdict::Fork { seq } => return Err(StandbyError::Fork { seq }),
                Verdict::Gap { expected, found } => {
                    self.hand_over(follower.position(), std::mem::take(&mut next)).await?;
                    let epoch = Envelope::decode(&entry.record).map_err(StreamError::from)?.epoch;
                    match self.repair(follower, expected, found).await {
                        // A newer owner went on from what is not here and is nobody's to give: it never saw this file's end.
                        Err(StandbyError::Missing { .. }) if epoch > follower.position().epoch => {
                            return Err(StandbyError::Fork { seq: found });
                        }
                        repaired => repaired?,
                    }
                    if follower.judge(&entry.record).map_err(StreamError::from)? == Verdict::Next {
                        next.push(entry.record.clone());
                    }
                }
            }
        }
        self.hand_over(follower.position(), next).await
    }

    /// Gets from the owner what is missing before an event.
    async fn repair(&self, follower: &mut Follower, from: u64, found: u64) -> Result<(), StandbyError> {
        let missing = StandbyError::Missing { from, to: found - 1 };
        let Some(source) = &self.source else { return Err(missing) };
        while follower.position().seq + 1 < found {
            let records = source.records_after(follower.position().seq).await?;
            let mut next = Vec::new();
            for record in records {
                if follower.position().seq + 1 >= found {
                    break;
                }
                match follower.judge(&record).map_err(StreamError::from)? {
                    Verdict::Next => next.push(record),
                    Verdict::Fork { seq } => return Err(StandbyError::Fork { seq }),
                    Verdict::Repeated | Verdict::Stale | Verdict::Gap { .. } => {}
                }
            }
            if next.is_empty() {
                return Err(missing);
            }
            self.status.0.repaired.fetch_add(next.len() as u64, Ordering::Relaxed);
            self.hand_over(follower.position(), next).await?;
        }
        Ok(())
    }

    async fn hand_over(&self, to: Position, records: Vec<Vec<u8>>) -> Result<(), StandbyError> {
        let Some(last) = records.last() else { return Ok(()) };
        let at_ms = Envelope::decode(last).map_err(StreamError::from)?.at_ms;
        self.status.0.seen.store(to.seq, Ordering::Relaxed);
        let mut reached = 0;
        for run in runs(records) {
            reached = self.taker.take_over(run).await?;
        }
        if reached < to.seq {
            let stands = format!("it stands at {reached} after being handed {}", to.seq);
            return Err(DeliverError(stands).into());
        }
        self.status.0.reached.store(reached, Ordering::Relaxed);
        let lag = now_ms().saturating_sub(at_ms);
        self.status.0.lag_ms.store(u64::try_from(lag).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A place in the topic before which there is nothing new. A record has at least as many places before it as there are
/// records between the first one kept and it; and what this node wrote while it owned the region may never have come
/// into the topic, so it reads from before that.
async fn start(table: &EventTable, first: &Entry, position: Position) -> Result<u64, StreamError> {
    let first_seq = Envelope::decode(&first.record)?.seq;
    let published = match table.last_of_type(OPENED).await? {
        Some(opened) => published_before(table, opened).await?,
        None => position.seq,
    };
    let from = published.min(position.seq) + 1;
    Ok(first.place + from.saturating_sub(first_seq))
}

/// What an epoch begins with.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Opened {
    /// The edge that owns the region from here on.
    pub edge: String,
    /// The last event before it that the topic was seen to hold. Later ones of this edge may never have come there.
    #[serde(default)]
    pub published: u64,
}

/// The last event that the topic was seen to hold when an epoch began.
async fn published_before(table: &EventTable, opened: u64) -> Result<u64, StreamError> {
    let Some((_, record)) = table.read_after(opened.saturating_sub(1), 1).await?.pop() else { return Ok(0) };
    let facts: Opened = Envelope::decode(&record)?.facts()?;
    Ok(facts.published)
}

impl EventTable {
    /// The last event's place in the log.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn position(&self) -> Result<Position, StreamError> {
        let Some((seq, record)) = self.last().await? else {
            return Ok(Position { seq: 0, digest: RecordDigest::GENESIS, epoch: 0 });
        };
        let epoch = Envelope::decode(&record)?.epoch;
        Ok(Position { seq, digest: petwalker_journal::digest(&record), epoch })
    }
}
