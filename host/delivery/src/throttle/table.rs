//! Bounded tables of what is known by key: fixed memory, whatever the number of keys.
//!
//! Keys are 64-bit hashes under a key of the process, so nobody can choose keys that meet. A table is an array of sets of
//! [`WAYS`] places (set-associative, as a processor's cache): a key belongs to one set, and where the set is full the entry
//! that matters least makes room. Sets are spread over [`SHARDS`] locks, each held for some tens of nanoseconds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bucket::{Rate, Verdict};

/// Places of a set.
const WAYS: usize = 8;
/// Locks of a table.
const SHARDS: usize = 64;
/// The fewest entries of a table: one set a lock.
pub(crate) const ENTRIES_MIN: usize = WAYS * SHARDS;

/// A place: the key and its value. A value of 0 means that the place is free.
type Entry = [u64; 2];

/// Sets of places behind locks.
struct Sets {
    shards: Vec<Mutex<Box<[Entry]>>>,
    sets_per_shard: usize,
}

impl Sets {
    /// Room for `entries`, rounded up. The pages are taken from the system as they are used.
    fn new(entries: usize) -> Self {
        let sets_per_shard = entries.div_ceil(ENTRIES_MIN).next_power_of_two();
        let places = || vec![[0_u64; 2]; sets_per_shard * WAYS].into_boxed_slice();
        Self { shards: (0..SHARDS).map(|_| Mutex::new(places())).collect(), sets_per_shard }
    }

    /// The shard of a key, and where its set begins in it.
    fn lock(&self, key: u64) -> (MutexGuard<'_, Box<[Entry]>>, usize) {
        // Different bits for the two: both counts are powers of two.
        let index = |hash: u64, count: usize| usize::try_from(hash).unwrap_or(usize::MAX) & (count - 1);
        let shard = index(key >> 58, SHARDS);
        let set = index((key >> 16) & 0xFFFF_FFFF, self.sets_per_shard);
        let guard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        (guard, set * WAYS)
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.len() * self.sets_per_shard * WAYS * std::mem::size_of::<Entry>()
    }
}

/// Token buckets by key. The bucket that is nearest to being full makes room: it remembers least.
pub(crate) struct Buckets(Sets);

impl Buckets {
    /// Room for so many buckets, rounded up to a power of two.
    pub(crate) fn new(entries: usize) -> Self {
        Self(Sets::new(entries))
    }

    /// Takes a token from a key's bucket. A key that is not known has a full one. `now` is not 0.
    pub(crate) fn take(&self, key: u64, rate: Rate, now: u64) -> Verdict {
        let (mut places, begin) = self.0.lock(key);
        let set = &mut places[begin..begin + WAYS];
        let place = match set.iter().position(|[held, value]| *held == key && *value != 0) {
            Some(place) => place,
            None => {
                let least = set.iter().enumerate().min_by_key(|(_, [_, full_at])| *full_at);
                let place = least.map_or(0, |(place, _)| place);
                set[place] = [key, 0];
                place
            }
        };
        let (stored, verdict) = rate.take(set[place][1], now);
        set[place][1] = stored;
        verdict
    }

    /// Bytes that it takes when every page is used.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Keys that have a place.
    #[cfg(test)]
    fn held(&self) -> usize {
        let count = |shard: &Mutex<Box<[Entry]>>| {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .filter(|[_, value]| *value != 0)
                .count()
        };
        self.0.shards.iter().map(count).sum()
    }
}

/// A number by key. The one that was not asked for the longest makes room.
pub(crate) struct Names(Sets);

impl Names {
    /// Room for so many, rounded up to a power of two.
    pub(crate) fn new(entries: usize) -> Self {
        Self(Sets::new(entries))
    }

    /// A key's number.
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        let (mut places, begin) = self.0.lock(key);
        let set = &mut places[begin..begin + WAYS];
        let place = set.iter().position(|[held, value]| *held == key && *value != 0)?;
        // The newest stands first.
        set[..=place].rotate_right(1);
        Some(set[0][1])
    }

    /// Sets a key's number, which is not 0.
    pub(crate) fn set(&self, key: u64, value: u64) {
        let (mut places, begin) = self.0.lock(key);
        let set = &mut places[begin..begin + WAYS];
        let place = set.iter().position(|[held, _]| *held == key).unwrap_or(WAYS - 1);
        set[..=place].rotate_right(1);
        set[0] = [key, value];
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::{Buckets, ENTRIES_MIN, Names, WAYS};
    use crate::throttle::bucket::{Rate, Verdict};

    const SECOND_NS: u64 = 1_000_000_000;

    fn is_allowed(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Allowed { .. })
    }

    #[test]
    fn a_million_addresses_take_the_memory_of_the_table() {
        let (table, hasher, rate) = (Buckets::new(1 << 18), RandomState::new(), Rate::new(10, 60));
        for address in 0..1_000_000_u32 {
            assert!(is_allowed(table.take(hasher.hash_one(address), rate, SECOND_NS)));
        }
        assert_eq!(table.bytes(), 4 << 20);
        assert!(table.held() <= 1 << 18, "{}", table.held());
    }

    #[test]
    fn a_flood_of_addresses_does_not_refill_an_empty_bucket() {
        let (table, hasher, rate) = (Buckets::new(1 << 14), RandomState::new(), Rate::new(20, 60));
        let spent = hasher.hash_one("who spent it all");
        while is_allowed(table.take(spent, rate, SECOND_NS)) {}
        // Each of the others has spent one token only, so it makes room first.
        for address in 0..200_000_u32 {
            table.take(hasher.hash_one(address), rate, SECOND_NS);
        }
        assert!(!is_allowed(table.take(spent, rate, SECOND_NS)));
        assert!(is_allowed(table.take(spent, rate, 3 * SECOND_NS)));
    }

    #[test]
    fn what_is_refused_takes_no_token() {
        let (table, rate) = (Buckets::new(1), Rate::new(2, 60));
        for now in [1, 1] {
            assert!(is_allowed(table.take(7, rate, now)));
        }
        for _ in 0..100 {
            assert!(!is_allowed(table.take(7, rate, 1)));
        }
        assert!(is_allowed(table.take(7, rate, 1 + SECOND_NS)));
    }

    #[test]
    fn names_are_kept_while_they_are_asked_for() {
        let (names, hasher) = (Names::new(ENTRIES_MIN), RandomState::new());
        let key = hasher.hash_one("kept");
        names.set(key, 5);
        for other in 0..10_000_u32 {
            names.set(hasher.hash_one(other), 9);
            assert_eq!(names.get(key), Some(5));
        }
        names.set(key, 6);
        assert_eq!(names.get(key), Some(6));
        assert_eq!(names.get(hasher.hash_one("never set")), None);
        let known = (0..10_000_u32).filter(|other| names.get(hasher.hash_one(other)).is_some()).count();
        assert!((ENTRIES_MIN / WAYS..=ENTRIES_MIN).contains(&known), "{known}");
    }
}
