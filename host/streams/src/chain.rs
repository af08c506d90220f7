//! Which of a topic's records make the region's log.
//!
//! An owner that has lost its lease may have an append under way that the broker takes after its follower has read the topic's
//! end; and an owner that comes back may publish, under a new epoch, what it had written in an old one. So the order in a topic
//! does not tell the log. The records do: each carries the digest of the one before it. The log ends with the last record
//! of the newest epoch from which that leads back to the beginning.

use std::collections::HashMap;

use petwalker_journal::{Envelope, JournalError, Position, RecordDigest, digest};

use crate::topic::{StreamError, Topic};

/// The records of a topic, and how they hang together.
#[derive(Clone, Debug)]
pub struct Chain {
    base: Position,
    links: HashMap<RecordDigest, Link>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    /// Where it stands first.
    place: u64,
    seq: u64,
    epoch: u64,
    previous: RecordDigest,
}

/// A region's log as a topic holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The places of its records, in the order of the log.
    pub places: Vec<u64>,
    /// Its end.
    pub end: Position,
}

impl Chain {
    /// For a log that goes on from `base`.
    #[must_use]
    pub fn after(base: Position) -> Self {
        Self { base, links: HashMap::new() }
    }

    /// Everything that a topic holds after `base`.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn read(topic: &dyn Topic, base: Position) -> Result<Self, StreamError> {
        let mut chain = Self::after(base);
        let Some(end) = topic.tail(1).await?.last().map(|last| last.place) else { return Ok(chain) };
        let mut reader = topic.read(0).await?;
        let mut place = None;
        while place.is_none_or(|place| place < end) {
            for entry in reader.next().await? {
                chain.add(entry.place, &entry.record)?;
                place = Some(entry.place);
            }
        }
        Ok(chain)
    }

    /// The first number after the base of which there is a record, whether or not it belongs to the log.
    #[must_use]
    pub fn first_seq(&self) -> Option<u64> {
        self.links.values().map(|link| link.seq).min()
    }

    /// The newest epoch of any record after the base.
    #[must_use]
    pub fn newest_epoch(&self) -> u64 {
        self.links.values().map(|link| link.epoch).max().unwrap_or_default()
    }

    /// Takes a record of the topic.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn add(&mut self, place: u64, record: &[u8]) -> Result<(), JournalError> {
        let Envelope { seq, epoch, previous, .. } = Envelope::decode(record)?;
        if seq > self.base.seq {
            self.links.entry(digest(record)).or_insert(Link { place, seq, epoch, previous });
        }
        Ok(())
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> Log {
        let mut ends: Vec<(&RecordDigest, &Link)> = self.links.iter().collect();
        ends.sort_by_key(|(_, link)| std::cmp::Reverse((link.epoch, link.seq)));
        for (end, link) in ends {
            if let Some(places) = self.back_from(link) {
                return Log { places, end: Position { seq: link.seq, digest: *end, epoch: link.epoch } };
            }
        }
        Log { places: Vec::new(), end: self.base }
    }

    /// The places from the base to a record; none where one between them is missing.
    fn back_from(&self, end: &Link) -> Option<Vec<u64>> {
        let mut places = vec![end.place];
        let mut link = end;
        while link.seq > self.base.seq + 1 {
            link = self.links.get(&link.previous).filter(|before| before.seq + 1 == link.seq)?;
            places.push(link.place);
        }
        places.reverse();
        (link.previous == self.base.digest).then_some(places)
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;
    use crate::fixture::record;
    use petwalker_journal::{Position, RecordDigest, digest};

    fn log(base: Position, topic: &[&Vec<u8>]) -> (Vec<u64>, u64) {
        let mut chain = Chain::after(base);
        for (place, record) in (0..).zip(topic) {
            chain.add(place, record).expect("a record");
        }
        let log = chain.log();
        (log.places, log.end.seq)
    }

    #[test]
    fn a_newer_epoch_goes_on_from_before_what_came_too_late() {
        let first = record(1, RecordDigest::GENESIS, 1, 0);
        let second = record(2, digest(&first), 1, 0);
        let late = record(3, digest(&second), 1, 9);
        let opened = record(3, digest(&second), 2, 0);
        let next = record(4, digest(&opened), 2, 0);
        let later = record(4, digest(&late), 1, 9);
        let topic = [&first, &second, &second, &late, &opened, &later, &late, &next, &opened];
        assert_eq!(log(Position::START, &topic), (vec![0, 1, 4, 7], 4));
        let base = Position { seq: 2, digest: digest(&second), epoch: 1 };
        assert_eq!(log(base, &topic), (vec![4, 7], 4));
    }

    /// The simulation's seed 93440: an owner of old comes back with records that were never published, while one between
    /// them had begun an epoch of which nothing was acknowledged.
    #[test]
    fn an_owner_that_comes_back_publishes_what_it_had() {
        let first = record(1, RecordDigest::GENESIS, 1, 0);
        let between = record(2, digest(&first), 3, 0);
        let kept = record(2, digest(&first), 1, 7);
        let opened = record(3, digest(&kept), 4, 0);
        assert_eq!(log(Position::START, &[&first, &between, &kept, &opened]), (vec![0, 2, 3], 3));
        // What is lost between does not hide what is whole.
        assert_eq!(log(Position::START, &[&first, &between, &opened]), (vec![0, 1], 2));
        assert_eq!(log(Position::START, &[&between]), (vec![], 0));
    }
}
