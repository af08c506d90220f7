//! What a reader does with each record that a topic gives it.

use petwalker_journal::{Envelope, JournalError, Position};

/// What a record is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next one: apply it.
    Next,
    /// It was read before: a relay appends again what it was not told of.
    Repeated,
    /// An owner that had lost the region wrote it: nobody applies it.
    Stale,
    /// Records are missing before it: they are to be had from the owner.
    Gap {
        /// The one that was due.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// It was not written after the record that was read before it: this reader, or the writer, left the log.
    Fork {
        /// The record.
        seq: u64,
    },
}

/// A reader's place in a region's log. It does no I/O: whoever reads asks it about each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    position: Position,
}

impl Follower {
    /// Goes on from `position`.
    #[must_use]
    pub const fn at(position: Position) -> Self {
        Self { position }
    }

    /// The last record that was next.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// An owner of that epoch has the region: what older ones write from now on is stale.
    pub fn fence(&mut self, epoch: u64) {
        self.position.epoch = self.position.epoch.max(epoch);
    }

    /// Judges a record, and moves on where it is the next.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn judge(&mut self, record: &[u8]) -> Result<Verdict, JournalError> {
        let envelope = Envelope::decode(record)?;
        if envelope.seq <= self.position.seq {
            // Numbers read before, written by an owner that had not read what is here: this reader's end was never its.
            if envelope.epoch > self.position.epoch {
                return Ok(Verdict::Fork { seq: envelope.seq });
            }
            // That it is the same record, its successors' digests tell.
            return Ok(Verdict::Repeated);
        }
        match self.position.advance(&envelope, record) {
            Ok(next) => {
                self.position = next;
                Ok(Verdict::Next)
            }
            Err(JournalError::StaleEpoch { .. }) => Ok(Verdict::Stale),
            Err(JournalError::Gap { expected, found }) => Ok(Verdict::Gap { expected, found }),
            Err(JournalError::Fork { seq }) => Ok(Verdict::Fork { seq }),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Follower, Verdict};
    use crate::fixture::record;
    use petwalker_journal::{Position, RecordDigest, digest};
    use proptest::prelude::*;

    /// A log of `count` records of one epoch, after `last`.
    fn log(count: u64, epoch: u64, after: (u64, RecordDigest)) -> Vec<Vec<u8>> {
        let (mut seq, mut previous) = after;
        let mut records = Vec::new();
        for _ in 0..count {
            seq += 1;
            let record = record(seq, previous, epoch, 0x80);
            previous = digest(&record);
            records.push(record);
        }
        records
    }

    fn verdicts(follower: &mut Follower, records: &[Vec<u8>]) -> Vec<Verdict> {
        records.iter().map(|record| follower.judge(record).expect("a record")).collect()
    }

    #[test]
    fn each_kind_of_record_is_told_apart() {
        let first = log(5, 1, (0, RecordDigest::GENESIS));
        let second = log(3, 2, (3, digest(&first[2])));
        let mut follower = Follower::at(Position::START);
        assert_eq!(verdicts(&mut follower, &first[..3]), [Verdict::Next; 3]);
        assert_eq!(verdicts(&mut follower, &first[1..3]), [Verdict::Repeated; 2]);
        assert_eq!(verdicts(&mut follower, &first[4..]), [Verdict::Gap { expected: 4, found: 5 }]);
        // The new owner went on from the third; what the old one writes after that is nobody's.
        assert_eq!(verdicts(&mut follower, &second[..1]), [Verdict::Next]);
        assert_eq!(verdicts(&mut follower, &first[3..]), [Verdict::Repeated, Verdict::Stale]);
        assert_eq!(verdicts(&mut follower, &second[1..]), [Verdict::Next; 2]);
        assert_eq!(follower.position().seq, 6);

        let mut behind = Follower::at(Position::START);
        assert_eq!(verdicts(&mut behind, &first[..4]), [Verdict::Next; 4]);
        // It took the old owner's fourth for good, so the new owner's fifth does not follow: it must be rebuilt.
        assert_eq!(verdicts(&mut behind, &second[1..2]), [Verdict::Fork { seq: 5 }]);

        let mut fenced = Follower::at(Position::START);
        assert_eq!(verdicts(&mut fenced, &first[..3]), [Verdict::Next; 3]);
        fenced.fence(2);
        assert_eq!(verdicts(&mut fenced, &first[3..4]), [Verdict::Stale]);
    }

    proptest! {
        /// Whatever a relay repeats, a reader applies each record once and in order.
        #[test]
        fn repeats_change_nothing(starts in proptest::collection::vec((0_usize..30, 1_usize..30), 1..20)) {
            let records = log(30, 1, (0, RecordDigest::GENESIS));
            let mut follower = Follower::at(Position::START);
            let mut applied = Vec::new();
            // A relay goes on from at most where it was, some way further.
            let mut reached = 0;
            for (start, count) in starts {
                let from = start.min(reached);
                let to = (from + count).min(records.len());
                for record in &records[from..to] {
                    if follower.judge(record).expect("a record") == Verdict::Next {
                        applied.push(record.clone());
                    }
                }
                reached = reached.max(to);
            }
            prop_assert_eq!(&applied[..], &records[..reached]);
        }
    }
}
