//! From the event table to a topic.

use petwalker_journal::Envelope;

use crate::relay::{Deliver, DeliverError};
use crate::topic::{StreamError, Topic};

/// Records appended at once. The broker's answer takes tens of milliseconds, whatever it answers for.
const BATCH_MAX: u32 = 8_192;
/// How far back the last record published is looked for: an owner that lost the region may have appended after it.
const TAIL: u32 = 256;

/// The consumer that publishes. How far it is, the topic itself says, so there is no offset that could be wrong.
pub struct Publish<T>(T);

impl<T: Topic> Publish<T> {
    /// Publishes into `topic`.
    pub const fn new(topic: T) -> Self {
        Self(topic)
    }

    /// The newest record of the newest epoch among the last.
    async fn published(&self) -> Result<u64, StreamError> {
        let mut newest = (0, 0);
        for entry in self.0.tail(TAIL).await? {
            let envelope = Envelope::decode(&entry.record)?;
            newest = newest.max((envelope.epoch, envelope.seq));
        }
        Ok(newest.1)
    }

    async fn publish(&self, records: Vec<Vec<u8>>) -> Result<u64, StreamError> {
        let Some(last) = records.last() else { return self.published().await };
        let seq = Envelope::decode(last)?.seq;
        self.0.append(records).await?;
        Ok(seq)
    }
}

impl<T: Topic> Deliver for Publish<T> {
    const BATCH_MAX: u32 = BATCH_MAX;

    async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        self.publish(records).await.map_err(|e| DeliverError(e.to_string()))
    }
}
