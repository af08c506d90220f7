//! Which of a topic's records make the region's log, where an owner's last ones came too late.
//!
//! An owner that has lost its lease may have an append under way that the broker takes after its follower has read the topic's
//! end. Such a record stands before the follower's first, with the same number. Whoever reads the topic as it grows has taken
//! it for the next; whoever reads it from the beginning can see that a newer epoch went on from before it.

use petwalker_journal::{Envelope, JournalError, Position, RecordDigest, digest};

use crate::topic::{StreamError, Topic};

/// The records that make the log, found by reading a topic once.
#[derive(Clone, Debug)]
pub struct Chain {
    base: Position,
    links: Vec<Link>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    place: u64,
    epoch: u64,
    digest: RecordDigest,
}

impl Chain {
    /// Goes on from `base`.
    #[must_use]
    pub const fn after(base: Position) -> Self {
        Self { base, links: Vec::new() }
    }

    /// The log that a topic holds from its beginning.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn read(topic: &dyn Topic) -> Result<Self, StreamError> {
        let mut chain = Self::after(Position::START);
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

    /// Where the log ends.
    #[must_use]
    pub fn position(&self) -> Position {
        self.links.last().map_or(self.base, |last| Position {
            seq: self.base.seq + self.links.len() as u64,
            digest: last.digest,
            epoch: last.epoch,
        })
    }

    /// Takes the next record of the topic.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn add(&mut self, place: u64, record: &[u8]) -> Result<(), JournalError> {
        let envelope = Envelope::decode(record)?;
        let end = self.position();
        // Stale, of before the beginning, or after a gap.
        if envelope.epoch < end.epoch || envelope.seq <= self.base.seq || envelope.seq > end.seq + 1 {
            return Ok(());
        }
        let before = usize::try_from(envelope.seq - self.base.seq - 1).unwrap_or(usize::MAX);
        let previous = match before.checked_sub(1) {
            Some(index) => self.links[index].digest,
            None => self.base.digest,
        };
        let known = self.links.get(before);
        // What is known is replaced by a newer epoch only: a relay repeats what it was not told of.
        let replaces = known.is_none_or(|known| known.epoch < envelope.epoch);
        if envelope.previous == previous && replaces {
            self.links.truncate(before);
            self.links.push(Link { place, epoch: envelope.epoch, digest: digest(record) });
        }
        Ok(())
    }

    /// The places of the records that make the log, rising.
    pub fn places(&self) -> impl Iterator<Item = u64> + '_ {
        self.links.iter().map(|link| link.place)
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;
    use crate::fixture::record;
    use petwalker_journal::{Position, RecordDigest, digest};

    #[test]
    fn a_newer_epoch_goes_on_from_before_what_came_too_late() {
        let first = record(1, RecordDigest::GENESIS, 1, 0);
        let second = record(2, digest(&first), 1, 0);
        let late = record(3, digest(&second), 1, 9);
        let opened = record(3, digest(&second), 2, 0);
        let next = record(4, digest(&opened), 2, 0);
        let later = record(4, digest(&late), 1, 9);
        let topic = [&first, &second, &second, &late, &opened, &later, &late, &next, &opened];
        let mut chain = Chain::after(Position::START);
        for (place, record) in (0..).zip(topic) {
            chain.add(place, record).expect("a record");
        }
        assert_eq!(chain.places().collect::<Vec<_>>(), [0, 1, 4, 7]);
        assert_eq!(chain.position(), Position { seq: 4, digest: digest(&next), epoch: 2 });

        let mut from = Chain::after(Position { seq: 2, digest: digest(&second), epoch: 1 });
        for (place, record) in (0..).zip(topic) {
            from.add(place, record).expect("a record");
        }
        assert_eq!(from.places().collect::<Vec<_>>(), [4, 7]);
    }
}
