//! Chance and time for simulations: what a seed gives once, it gives every time.
//!
//! Rules without I/O are driven by these in tests, thousands of worlds a second. Nothing of it runs in a node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Chance from a seed: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The chance of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    /// One of `count` things, by its index.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).expect("an index")
    }

    /// True in so many of a hundred cases.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time below so many milliseconds, which are not 0.
    pub const fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// What is going to happen, and what time it is. Of what happens at the same time, that comes first which was entered first.
#[derive(Debug)]
pub struct Agenda<E> {
    now: Duration,
    entered: u64,
    queue: BinaryHeap<Reverse<(Duration, u64, E)>>,
}

impl<E: Ord> Default for Agenda<E> {
    fn default() -> Self {
        Self { now: Duration::ZERO, entered: 0, queue: BinaryHeap::new() }
    }
}

impl<E: Ord> Agenda<E> {
    /// The time, from the world's beginning.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Has something happen so much later than now.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.entered += 1;
        self.queue.push(Reverse((self.now + delay, self.entered, event)));
    }

    /// What happens next, whose time it is then; none where nothing does, or only after `end`.
    pub fn next(&mut self, end: Duration) -> Option<E> {
        let Reverse((at, _, event)) = self.queue.pop()?;
        if at > end {
            return None;
        }
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_every_time() {
        // The generator's own first numbers for this seed, as its authors' C program prints them.
        let mut dice = Dice::new(1_234_567);
        assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        assert!((0..1_000).all(|_| one.below(90) == other.below(90)));
        let hits = (0..10_000).filter(|_| one.chance(30)).count();
        assert!((2_800..3_200).contains(&hits), "{hits} of 10,000");
    }

    #[test]
    fn things_happen_by_time_and_then_in_the_order_they_were_entered() {
        let mut agenda = Agenda::default();
        let seconds = Duration::from_secs;
        for (delay, event) in [(3, 'd'), (1, 'b'), (1, 'c'), (0, 'a'), (9, 'x')] {
            agenda.after(seconds(delay), event);
        }
        let happened: String = std::iter::from_fn(|| agenda.next(seconds(5))).collect();
        assert_eq!((happened.as_str(), agenda.now()), ("abcd", seconds(3)));
    }
}
