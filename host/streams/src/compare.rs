//! That a topic holds what the event table does, record by record.

use std::collections::VecDeque;

use petwalker_journal::{Envelope, Position};

use crate::event_table::EventTable;
use crate::follow::{Follower, Verdict};
use crate::topic::{StreamError, Topic};

/// Records read from the table at once.
const PAGE: u32 = 512;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Records that are the same in both, counted once each.
    pub same: u64,
    /// The first and the last of them.
    pub range: Option<(u64, u64)>,
    /// Records that the topic holds more than once.
    pub repeated: u64,
    /// Records of owners that had lost the region.
    pub stale: u64,
    /// Events in the table that the topic does not hold yet.
    pub unpublished: u64,
    /// What is wrong, where it begins; nothing after it was compared.
    pub difference: Option<Difference>,
}

/// What is wrong with a topic, or with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The topic lacks records between others.
    #[error("the topic goes from record {before} to record {found}")]
    Gap {
        /// The last before it.
        before: u64,
        /// The first after it.
        found: u64,
    },
    /// The records of the topic do not follow each other.
    #[error("record {0} of the topic was not written after the one before it")]
    Fork(u64),
    /// The table has another record of that number.
    #[error("record {0} is not the same in the topic and in the table")]
    Other(u64),
    /// The table has no record of that number.
    #[error("record {0} is in the topic and not in the table")]
    Missing(u64),
}

/// Compares everything that the topic holds now with the table.
///
/// # Errors
/// When either cannot be read.
pub async fn compare(table: &EventTable, topic: &dyn Topic) -> Result<Comparison, StreamError> {
    let mut found = Comparison::default();
    let last = table.last_seq().await?;
    let Some(end) = topic.tail(1).await?.last().map(|entry| entry.place) else {
        return Ok(Comparison { unpublished: last, ..found });
    };
    let mut reader = topic.read(0).await?;
    let mut follower: Option<Follower> = None;
    let mut page = VecDeque::new();
    loop {
        for entry in reader.next().await? {
            let envelope = Envelope::decode(&entry.record)?;
            // The beginning may be kept no longer: the first record there is stands for it.
            let follower = follower.get_or_insert_with(|| {
                let before = Position {
                    seq: envelope.seq.saturating_sub(1),
                    digest: envelope.previous,
                    epoch: envelope.epoch,
                };
                Follower::at(before)
            });
            let before = follower.position().seq;
            match follower.judge(&entry.record)? {
                Verdict::Repeated => found.repeated += 1,
                Verdict::Stale => found.stale += 1,
                Verdict::Gap { found: seq, .. } => {
                    found.difference = Some(Difference::Gap { before, found: seq });
                }
                Verdict::Fork { seq } => found.difference = Some(Difference::Fork(seq)),
                Verdict::Next => {
                    let seq = envelope.seq;
                    if page.front().is_none_or(|(at, _)| *at != seq) {
                        page = table.read_after(before, PAGE).await?.into();
                    }
                    match page.pop_front() {
                        Some((at, record)) if at == seq && record == entry.record => {
                            found.same += 1;
                            found.range = Some((found.range.map_or(seq, |(first, _)| first), seq));
                        }
                        Some((at, _)) if at == seq => found.difference = Some(Difference::Other(seq)),
                        _ => found.difference = Some(Difference::Missing(seq)),
                    }
                }
            }
            if found.difference.is_some() || entry.place >= end {
                let published = found.range.map_or(0, |(_, last)| last);
                found.unpublished = last.saturating_sub(published);
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, compare};
    use crate::event_table::EventTable;
    use crate::fixture::record;
    use crate::topic::{Entry, Pending, Reader, StreamError, Topic};
    use edge_data::{LocalDatabase, PoolOptions};
    use petwalker_journal::{RecordDigest, digest};

    /// A topic that holds just these records.
    struct Listed(Vec<Vec<u8>>);

    impl Listed {
        fn entries(&self) -> Vec<Entry> {
            (0..).zip(&self.0).map(|(place, record)| Entry { place, record: record.clone() }).collect()
        }
    }

    impl Topic for Listed {
        fn append(&self, _records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
            Box::pin(async { Err(StreamError::Closed) })
        }

        fn read(&self, _place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
            let all = self.entries();
            Box::pin(async move { Ok(Box::new(Once(Some(all))) as Box<dyn Reader>) })
        }

        fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
            let mut all = self.entries();
            let tail = all.split_off(all.len().saturating_sub(count as usize));
            Box::pin(async move { Ok(tail) })
        }
    }

    struct Once(Option<Vec<Entry>>);

    impl Reader for Once {
        fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
            let all = self.0.take();
            Box::pin(async move { all.ok_or(StreamError::Closed) })
        }
    }

    #[tokio::test]
    async fn each_difference_is_told_where_it_begins() {
        let mut log = Vec::new();
        let mut previous = RecordDigest::GENESIS;
        for seq in 1..=8 {
            log.push(record(seq, previous, 2, 0));
            previous = digest(&log[log.len() - 1]);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let database = LocalDatabase::open(&path, PoolOptions::default()).await.expect("opens");
        let writer = database.connect().await.expect("connects");
        let create = "CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB)";
        writer.execute(create, ()).await.expect("created");
        for (seq, record) in (1_u64..).zip(&log[..6]) {
            let insert = "INSERT INTO events VALUES (?1, ?2)";
            writer.execute(insert, (seq, record.clone())).await.expect("inserted");
        }
        let table = EventTable::open(&database).await.expect("opens");
        let compared =
            async |records: Vec<Vec<u8>>| compare(&table, &Listed(records)).await.expect("compared");

        let good = compared([&log[2..4], &log[3..5]].concat()).await;
        assert_eq!((good.same, good.range, good.repeated), (3, Some((3, 5)), 1));
        assert_eq!((good.unpublished, good.stale, good.difference), (1, 0, None));

        let stale = compared([&log[..2], &[record(3, RecordDigest::GENESIS, 1, 9)][..]].concat()).await;
        assert_eq!((stale.same, stale.stale, stale.difference), (2, 1, None));

        let changed = record(3, digest(&log[1]), 2, 9);
        for (records, expected) in [
            ([&log[..2], &log[3..4]].concat(), Difference::Gap { before: 2, found: 4 }),
            ([&log[..2], &[record(3, RecordDigest::GENESIS, 2, 0)][..]].concat(), Difference::Fork(3)),
            ([&log[..2], &[changed][..]].concat(), Difference::Other(3)),
            (log.clone(), Difference::Missing(7)),
        ] {
            assert_eq!(compared(records).await.difference, Some(expected));
        }
    }
}
