//! How many of a kind one key holds at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each key holds, up to a limit. Who holds nothing takes no memory.
#[derive(Debug)]
pub struct Counts<K> {
    max: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One of what a key holds. Dropping it gives it back.
#[derive(Debug)]
pub struct Hold<K: Eq + Hash> {
    counts: Arc<Counts<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// At most so many a key.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default() })
    }

    /// One more for a key; none where it holds as many as it may.
    #[must_use]
    pub fn hold(self: &Arc<Self>, key: K) -> Option<Hold<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(key.clone()).or_insert(0);
        // A key that is refused holds some already, so that no entry of 0 stays.
        if *count >= self.max.max(1) {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Hold { counts: self.clone(), key })
    }

    /// Whether nobody holds anything, and nothing is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<K: Eq + Hash> Drop for Hold<K> {
    fn drop(&mut self) {
        let mut held = self.counts.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn a_key_holds_as_many_as_it_may() {
        let counts = Counts::new(2);
        let (first, second) = (counts.hold("a"), counts.hold("a"));
        assert!(first.is_some() && second.is_some());
        assert!(counts.hold("a").is_none());
        assert!(counts.hold("b").is_some(), "another key is not its concern");
        drop(first);
        assert!(counts.hold("a").is_some());
        drop(second);
        assert!(counts.is_empty(), "who holds nothing takes no memory");
    }
}
