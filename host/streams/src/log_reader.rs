//! Reading a region's log out of a topic, in the order of the log.

use std::collections::{BTreeMap, HashMap};

use crate::chain::Log;
use crate::topic::{Entry, Reader, StreamError, Topic};

/// Reads the records of a log that was found in a topic.
pub struct LogReader {
    /// Where each record stands in the log, by its place in the topic.
    order: HashMap<u64, usize>,
    reader: Box<dyn Reader>,
    /// Records mostly stand in the order of the log; those that do not wait for their turn.
    waiting: BTreeMap<usize, Entry>,
    given: usize,
}

impl LogReader {
    /// Reads `log` out of `topic`.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn open(topic: &dyn Topic, log: &Log) -> Result<Self, StreamError> {
        let order = log.places.iter().enumerate().map(|(index, place)| (*place, index)).collect();
        let first = log.places.iter().min().copied().unwrap_or_default();
        let reader = topic.read(first).await?;
        Ok(Self { order, reader, waiting: BTreeMap::new(), given: 0 })
    }

    /// The next records in order; none after the last.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Vec<u8>>, StreamError> {
        let mut ready = Vec::new();
        while ready.is_empty() && self.given < self.order.len() {
            let entries = self.reader.next().await?;
            let known = entries.into_iter().filter_map(|entry| Some((*self.order.get(&entry.place)?, entry)));
            self.waiting.extend(known);
            while let Some(entry) = self.waiting.remove(&self.given) {
                ready.push(entry.record);
                self.given += 1;
            }
        }
        Ok(ready)
    }
}
