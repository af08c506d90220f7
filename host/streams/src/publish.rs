//! From the event table to a topic.

use petwalker_journal::Envelope;

use crate::event_table::EventTable;
use crate::outbox::Outbox;
use crate::relay::{Deliver, DeliverError};
use crate::topic::{StreamError, Topic};

/// Records appended at once. The broker's answer takes as long for one as for thousands.
const BATCH_MAX: u32 = 8_192;
/// How far back the last record published is looked for at first: an owner that lost the region may have appended after it.
const TAIL: u32 = 256;
/// How far at most, each time farther. Who finds nothing of its own publishes all of it: readers drop what comes twice.
const TAIL_MAX: u32 = TAIL << 12;

/// The consumer that publishes. How far it is, the topic itself says, so there is no offset that could be wrong.
pub struct Publish<T, O = EventTable> {
    topic: T,
    outbox: O,
}

impl<T: Topic, O: Outbox> Publish<T, O> {
    /// Publishes what `outbox` holds into `topic`.
    pub const fn new(topic: T, outbox: O) -> Self {
        Self { topic, outbox }
    }

    /// The last record of the topic that is this outbox's own. One of the same number that another owner appended, while this
    /// node was taking the region over from it, is not.
    ///
    /// # Errors
    /// When topic or outbox cannot be read.
    pub async fn published(&self) -> Result<u64, StreamError> {
        let mut count = TAIL;
        loop {
            // What is missing at the end is appended again, and dropped by readers who had it.
            let tail = self.topic.tail_so_far(count).await?;
            for entry in tail.entries.iter().rev() {
                let seq = Envelope::decode(&entry.record)?.seq;
                let own = self.outbox.read_after(seq.saturating_sub(1), 1).await?.pop();
                if own.is_some_and(|(own_seq, own)| own_seq == seq && own == entry.record) {
                    return Ok(seq);
                }
            }
            if !tail.whole {
                return Err(StreamError::Hidden);
            }
            if tail.entries.len() < count as usize || count >= TAIL_MAX {
                return Ok(0);
            }
            count *= 8;
        }
    }

    async fn publish(&self, records: Vec<Vec<u8>>) -> Result<u64, StreamError> {
        let Some(last) = records.last() else { return self.published().await };
        let seq = Envelope::decode(last)?.seq;
        self.topic.append(records).await?;
        Ok(seq)
    }
}

impl<T: Topic, O: Outbox> Deliver for Publish<T, O> {
    const BATCH_MAX: u32 = BATCH_MAX;

    async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        self.publish(records).await.map_err(|e| DeliverError(e.to_string()))
    }
}
