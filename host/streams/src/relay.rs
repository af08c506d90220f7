//! From the event table to a consumer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::batch::fitting;
use crate::event_table::EventTable;
use crate::outbox::Outbox;

/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Why records did not arrive. They are sent again.
#[derive(Debug, thiserror::Error)]
#[error("the consumer did not take the records: {0}")]
pub struct DeliverError(pub String);

/// A consumer that keeps its own offset.
pub trait Deliver: Send + Sync + 'static {
    /// Records handed over at once.
    const BATCH_MAX: u32 = 64;

    /// Hands over records in order; no records asks for the offset only. Returns the sequence number of the last record
    /// whose effect is stored.
    fn deliver(&self, records: Vec<Vec<u8>>) -> impl Future<Output = Result<u64, DeliverError>> + Send;
}

/// What the relay did, for metrics and for those who wait for it.
#[derive(Clone, Debug, Default)]
pub struct RelayStatus(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    delivered: watch::Sender<u64>,
    failures: AtomicU64,
    failing: AtomicBool,
}

impl RelayStatus {
    /// Sequence number of the last record delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        *self.0.delivered.borrow()
    }

    /// Waits until the record of that sequence number was delivered.
    pub async fn reached(&self, seq: u64) {
        let mut delivered = self.0.delivered.subscribe();
        // The sender is this status itself: it is not dropped while somebody waits.
        if delivered.wait_for(|at| *at >= seq).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the last attempt failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    fn note(&self, seq: u64) {
        self.0.failing.store(false, Ordering::Relaxed);
        self.0.delivered.send_if_modified(|at| std::mem::replace(at, seq) != seq);
    }

    fn note_failure(&self) {
        self.0.failing.store(true, Ordering::Relaxed);
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Deliveries that failed and were tried again.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }
}

/// Reads a region's outbox and delivers what it holds.
pub struct Relay<D, O = EventTable> {
    outbox: O,
    consumer: D,
    status: RelayStatus,
}

impl<D: Deliver, O: Outbox> Relay<D, O> {
    /// A relay from `outbox` to `consumer`.
    pub fn new(outbox: O, consumer: D) -> Self {
        Self { outbox, consumer, status: RelayStatus::default() }
    }

    /// What it did so far.
    #[must_use]
    pub fn status(&self) -> RelayStatus {
        self.status.clone()
    }

    /// Delivers until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wait = BACK_OFF.0;
        let mut reached = None;
        while !*stop.borrow() {
            let step = tokio::select! {
                step = self.step(reached) => step,
                _ = stop.changed() => return,
            };
            match step {
                Ok(Step::Delivered(seq)) => {
                    wait = BACK_OFF.0;
                    reached = Some(seq);
                    self.status.note(seq);
                }
                Ok(Step::CaughtUp) => {
                    wait = BACK_OFF.0;
                    let open = tokio::select! {
                        open = self.outbox.changed() => open,
                        _ = stop.changed() => return,
                    };
                    if !open {
                        return;
                    }
                }
                Err(error) => {
                    self.status.note_failure();
                    tracing::warn!(error = %error, retry_in_ms = wait.as_millis(), "events not delivered");
                    reached = None;
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = stop.changed() => return,
                    }
                    wait = (wait * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    async fn step(&self, reached: Option<u64>) -> Result<Step, DeliverError> {
        let after = match reached {
            Some(seq) => seq,
            None => self.consumer.deliver(Vec::new()).await?,
        };
        let mut records =
            self.outbox.read_after(after, D::BATCH_MAX).await.map_err(|e| DeliverError(e.to_string()))?;
        // The others are read again.
        records.truncate(fitting(records.iter().map(|(_, record)| record.as_slice())));
        if records.is_empty() {
            return Ok(if reached.is_some() { Step::CaughtUp } else { Step::Delivered(after) });
        }
        let last = records.last().map_or(after, |(seq, _)| *seq);
        let seq = self.consumer.deliver(records.into_iter().map(|(_, record)| record).collect()).await?;
        if seq < last {
            return Err(DeliverError(format!("it stands at {seq} after being handed {last}")));
        }
        Ok(Step::Delivered(seq))
    }
}

enum Step {
    Delivered(u64),
    CaughtUp,
}

#[cfg(test)]
mod tests {
    use super::{Deliver, DeliverError, Relay};
    use crate::event_table::EventTable;
    use edge_data::{LocalDatabase, PoolOptions};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::sync::watch;

    /// Refuses every other batch, and loses the answer to every third that it took.
    #[derive(Clone, Default)]
    struct Stubborn(Arc<Mutex<(Vec<u8>, u32)>>, Arc<tokio::sync::Notify>);

    impl Deliver for Stubborn {
        async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
            let mut state = self.0.lock().expect("no panic");
            if records.is_empty() {
                return Ok(state.0.len() as u64);
            }
            state.1 += 1;
            if state.1.is_multiple_of(2) {
                return Err(DeliverError("refused on purpose".to_owned()));
            }
            for record in records {
                if usize::from(record[0]) == state.0.len() + 1 {
                    state.0.push(record[0]);
                }
            }
            self.1.notify_one();
            if state.1.is_multiple_of(3) {
                return Err(DeliverError("stored, but the answer was lost on purpose".to_owned()));
            }
            Ok(state.0.len() as u64)
        }
    }

    #[tokio::test]
    async fn all_records_arrive_in_order_despite_failures() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            LocalDatabase::open(&folder.path().join("t.db"), PoolOptions::default()).await.expect("opens");
        let writer = database.connect().await.expect("connects");
        writer
            .execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB)", ())
            .await
            .expect("created");
        for seq in 1..=200_u8 {
            writer.execute("INSERT INTO events VALUES (?1, ?2)", (seq, vec![seq])).await.expect("inserted");
        }
        let consumer = Stubborn::default();
        let relay = Relay::new(EventTable::open(&database).await.expect("opens"), consumer.clone());
        let status = relay.status();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(relay.run(stopped));
        tokio::time::timeout(Duration::from_secs(20), async {
            while consumer.0.lock().expect("no panic").0.len() < 200 {
                consumer.1.notified().await;
            }
        })
        .await
        .expect("all records arrive");
        stop.send(true).expect("running");
        running.await.expect("no panic");
        assert_eq!(consumer.0.lock().expect("no panic").0, (1..=200).collect::<Vec<u8>>());
        assert!(status.failures() > 0);
    }
}
