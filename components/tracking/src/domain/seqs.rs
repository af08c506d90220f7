//! Which of a device's numbers have come.

use serde::{Deserialize, Serialize};

/// Stretches of numbers that a device may leave out: who sends every other number only is broken or means harm.
pub const GAPS_MAX: usize = 512;

/// A set of numbers, kept as its runs in ascending order: one run for a device that loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seqs(Vec<(u32, u32)>);

impl Seqs {
    /// Adds a number. False: it was there.
    pub fn insert(&mut self, seq: u32) -> bool {
        // The first run that does not end before the number.
        let index = self.0.partition_point(|(_, last)| *last < seq);
        if self.0.get(index).is_some_and(|(first, _)| *first <= seq) {
            return false;
        }
        let follows = index > 0 && self.0[index - 1].1.checked_add(1) == Some(seq);
        let precedes = self.0.get(index).is_some_and(|(first, _)| seq.checked_add(1) == Some(*first));
        match (follows, precedes) {
            (true, true) => {
                self.0[index - 1].1 = self.0[index].1;
                self.0.remove(index);
            }
            (true, false) => self.0[index - 1].1 = seq,
            (false, true) => self.0[index].0 = seq,
            (false, false) => self.0.insert(index, (seq, seq)),
        }
        true
    }

    /// The highest number up to which all have come, counted from 1.
    #[must_use]
    pub fn contiguous(&self) -> u32 {
        self.0.first().filter(|(first, _)| *first == 1).map_or(0, |(_, last)| *last)
    }

    /// The highest number.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.0.last().map_or(0, |(_, last)| *last)
    }

    /// The runs of numbers that are missing below the highest, first and last of each.
    pub fn missing(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ends = std::iter::once(0).chain(self.0.iter().map(|(_, last)| *last));
        ends.zip(&self.0).map(|(end, (first, _))| (end + 1, first - 1)).filter(|(first, last)| first <= last)
    }

    /// How many runs are missing.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.missing().count()
    }
}

#[cfg(test)]
mod tests {
    use super::Seqs;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(1_u32..60, 0..80)) {
            let (mut seqs, mut plain) = (Seqs::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(seqs.insert(number), plain.insert(number));
            }
            let highest = plain.last().copied().unwrap_or(0);
            prop_assert_eq!(seqs.highest(), highest);
            prop_assert_eq!(seqs.contiguous(), (1..).find(|n| !plain.contains(n)).unwrap_or(1) - 1);
            let missing: Vec<u32> = seqs.missing().flat_map(|(first, last)| first..=last).collect();
            let expected: Vec<u32> = (1..=highest).filter(|n| !plain.contains(n)).collect();
            prop_assert_eq!(missing, expected);
        }
    }

    #[test]
    fn the_last_number_of_all_is_one() {
        let mut seqs = Seqs::default();
        assert!(seqs.insert(u32::MAX) && seqs.insert(u32::MAX - 1) && !seqs.insert(u32::MAX));
        assert_eq!((seqs.gaps(), seqs.highest()), (1, u32::MAX));
    }
}
