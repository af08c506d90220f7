//! Who watches what on this node, and what is new of it.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, broadcast, watch};

use super::format::Packed;

/// News that wait for a watcher. Who falls farther behind is told all of it at once instead.
const WAITING_MAX: usize = 16;
/// Changes that are remembered for those who begin to watch right after they happened.
const RECENT_MAX: usize = 1_024;

/// What is new of a key from one cursor to the next.
#[derive(Debug)]
pub(super) struct Item {
    pub from: u64,
    pub to: u64,
    pub body: Packed,
    /// Whether it tells more than what is between the cursors, so that who was told those must hear of it all the same.
    pub whole: bool,
    /// Whether nothing will ever be new again.
    pub over: bool,
    /// Of what depends who may be told.
    pub audience: String,
}

struct Topic {
    items: broadcast::Sender<Arc<Item>>,
    /// Counts the changes, for those who ask the component themselves what is new.
    changes: watch::Sender<u64>,
    /// Up to where news were told.
    cursor: u64,
}

impl Topic {
    fn new(cursor: u64) -> Self {
        Self { items: broadcast::Sender::new(WAITING_MAX), changes: watch::Sender::new(0), cursor }
    }

    fn is_watched(&self) -> bool {
        self.items.receiver_count() > 0 || self.changes.receiver_count() > 0
    }

    fn tell(&mut self, item: Item) {
        self.cursor = self.cursor.max(item.to);
        if self.items.receiver_count() > 0 {
            // A receiver that leaves meanwhile needs no telling.
            drop(self.items.send(Arc::new(item)));
        }
    }

    fn count_change(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// The changes that happened last, watched or not.
#[derive(Default)]
struct Recent {
    /// Changes so far.
    count: u64,
    /// Digests of the keys, the newest last.
    keys: VecDeque<u64>,
}

/// A moment in the order of changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u64);

/// The keys that somebody watches.
#[derive(Default)]
pub struct Hub {
    recent: Mutex<Recent>,
    digests: RandomState,
    topics: Mutex<HashMap<Arc<str>, Topic>>,
    /// Keys of which something changed that nobody has read yet.
    changed: Mutex<HashSet<Arc<str>>>,
    wake: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Whether somebody watches the key.
    pub(super) fn is_watched(&self, key: &str) -> bool {
        lock(&self.topics).contains_key(key)
    }

    /// Watches a key; `cursor` is where it stands as far as the watcher knows.
    pub(super) fn watch(self: &Arc<Self>, key: &Arc<str>, cursor: u64) -> Watching {
        let mut topics = lock(&self.topics);
        let topic = topics.entry(key.clone()).or_insert_with(|| Topic::new(cursor));
        if topic.items.receiver_count() == 0 {
            // Those who wait already ask for themselves, from wherever they are.
            topic.cursor = cursor;
        }
        Watching { items: Some(topic.items.subscribe()), key: key.clone(), hub: self.clone() }
    }

    /// The moment now, to be named when somebody begins to wait for what changes after it.
    pub(crate) fn mark(&self) -> Mark {
        Mark(lock(&self.recent).count)
    }

    /// Waits for changes of a key after `mark`.
    pub(crate) fn wait_for(self: &Arc<Self>, key: &Arc<str>, mark: Mark) -> Waiting {
        let changes = {
            let mut topics = lock(&self.topics);
            topics.entry(key.clone()).or_insert_with(|| Topic::new(0)).changes.subscribe()
        };
        let missed = self.changed_since(key, mark);
        Waiting { changes: Some(changes), missed, key: key.clone(), hub: self.clone() }
    }

    /// Whether the key may have changed since a moment.
    fn changed_since(&self, key: &str, mark: Mark) -> bool {
        let digest = self.digests.hash_one(key);
        let recent = lock(&self.recent);
        let since = recent.count - mark.0;
        usize::try_from(since)
            .ok()
            .filter(|since| *since <= recent.keys.len())
            .is_none_or(|since| recent.keys.iter().rev().take(since).any(|known| *known == digest))
    }

    fn remember(&self, key: &str) {
        let digest = self.digests.hash_one(key);
        let mut recent = lock(&self.recent);
        recent.count += 1;
        if recent.keys.len() == RECENT_MAX {
            recent.keys.pop_front();
        }
        recent.keys.push_back(digest);
    }

    /// Tells those who watch the key what is new of it.
    pub(super) fn publish(&self, key: &str, item: Item) {
        self.remember(key);
        if let Some(topic) = lock(&self.topics).get_mut(key) {
            topic.count_change();
            topic.tell(item);
        }
    }

    /// The same where those who ask the component themselves have been told by [`Hub::changed`].
    pub(super) fn publish_read(&self, key: &str, item: Item) {
        if let Some(topic) = lock(&self.topics).get_mut(key) {
            topic.tell(item);
        }
    }

    /// Says that something of the key changed: what it is has to be read.
    pub fn changed(&self, key: &str) {
        self.remember(key);
        let key = {
            let topics = lock(&self.topics);
            let Some((key, topic)) = topics.get_key_value(key) else { return };
            topic.count_change();
            if topic.items.receiver_count() == 0 {
                return;
            }
            key.clone()
        };
        if lock(&self.changed).insert(key) {
            self.wake.notify_one();
        }
    }

    fn leave(&self, key: &str) {
        let mut topics = lock(&self.topics);
        if topics.get(key).is_some_and(|topic| !topic.is_watched()) {
            topics.remove(key);
        }
    }

    fn take_changes(&self) -> Vec<(Arc<str>, u64)> {
        let changed = std::mem::take(&mut *lock(&self.changed));
        let topics = lock(&self.topics);
        let cursor = |key: &Arc<str>| topics.get(key).map(|topic| topic.cursor);
        changed.into_iter().filter_map(|key| cursor(&key).map(|cursor| (key, cursor))).collect()
    }

    /// Waits for changes: the watched keys that changed, and up to where their news were told.
    pub(super) async fn changes(&self) -> Vec<(Arc<str>, u64)> {
        loop {
            let found = self.take_changes();
            if !found.is_empty() {
                return found;
            }
            self.wake.notified().await;
        }
    }
}

/// One watcher of a key.
pub(super) struct Watching {
    items: Option<broadcast::Receiver<Arc<Item>>>,
    key: Arc<str>,
    hub: Arc<Hub>,
}

/// What a watcher hears next.
pub(super) enum Heard {
    Item(Arc<Item>),
    /// More than it could take: what it missed has to be read.
    Behind,
}

impl Watching {
    pub(super) async fn next(&mut self) -> Heard {
        let Some(items) = &mut self.items else { return std::future::pending().await };
        match items.recv().await {
            Ok(item) => Heard::Item(item),
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Behind,
            // The topic lives as long as its watchers do.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.items = None;
        self.hub.leave(&self.key);
    }
}

/// Somebody who asks the component what is new of a key, once something is.
pub(crate) struct Waiting {
    changes: Option<watch::Receiver<u64>>,
    /// Whether something changed before the waiting began.
    missed: bool,
    key: Arc<str>,
    hub: Arc<Hub>,
}

impl Waiting {
    /// The key.
    pub(crate) const fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Waits for the next change; its number, the same for all who wait for it.
    pub(crate) async fn next(&mut self) -> u64 {
        let missed = std::mem::take(&mut self.missed);
        let Some(changes) = &mut self.changes else { return std::future::pending().await };
        if !missed && changes.changed().await.is_err() {
            // The topic lives as long as those who wait for it do.
            return std::future::pending().await;
        }
        *changes.borrow_and_update()
    }

    /// Has the next call return at once.
    pub(crate) const fn again(&mut self) {
        self.missed = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.changes = None;
        self.hub.leave(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Heard, Hub, Item, RECENT_MAX, WAITING_MAX};
    use crate::sockets::format::Packed;

    fn item(from: u64, to: u64) -> Item {
        Item { from, to, body: Packed::new(vec![0xc0]), whole: false, over: false, audience: String::new() }
    }

    #[tokio::test]
    async fn news_reach_those_who_watch_and_nobody_else() {
        let hub = Arc::new(Hub::default());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        hub.publish("a", item(0, 1));
        let (mut one, two) = (hub.watch(&a, 1), hub.watch(&a, 1));
        let mut other = hub.watch(&b, 0);
        hub.publish("a", item(1, 2));
        assert!(matches!(one.next().await, Heard::Item(item) if item.to == 2));
        assert!(futures::poll!(std::pin::pin!(other.next())).is_pending());
        drop((one, two));
        assert!(!hub.is_watched("a") && hub.is_watched("b"));
    }

    #[tokio::test]
    async fn who_does_not_keep_up_is_told_so() {
        let hub = Arc::new(Hub::default());
        let mut slow = hub.watch(&"a".into(), 0);
        for n in 0..=WAITING_MAX as u64 {
            hub.publish("a", item(n, n + 1));
        }
        assert!(matches!(slow.next().await, Heard::Behind));
    }

    #[tokio::test]
    async fn changes_are_told_once_with_the_place_reached() {
        let hub = Arc::new(Hub::default());
        let _watching = hub.watch(&"a".into(), 3);
        hub.publish("a", item(3, 5));
        hub.changed("nobody watches this");
        hub.changed("a");
        hub.changed("a");
        assert_eq!(hub.changes().await, [("a".into(), 5)]);
        assert!(futures::poll!(std::pin::pin!(hub.changes())).is_pending());
    }

    #[tokio::test]
    async fn who_asks_the_component_is_woken_once_a_change_and_misses_none() {
        let hub = Arc::new(Hub::default());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mark = hub.mark();
        hub.changed("a");
        let (mut late, mut other) = (hub.wait_for(&a, mark), hub.wait_for(&b, mark));
        late.next().await;
        assert!(futures::poll!(std::pin::pin!(late.next())).is_pending());
        assert!(futures::poll!(std::pin::pin!(other.next())).is_pending());
        let mut second = hub.wait_for(&a, hub.mark());
        hub.publish("a", item(0, 1));
        assert_eq!(late.next().await, second.next().await, "one change has one number");
        hub.publish_read("a", item(1, 2));
        assert!(futures::poll!(std::pin::pin!(late.next())).is_pending(), "told by what was read of it");
        assert!(hub.take_changes().is_empty(), "nobody needs it read");
        for _ in 0..=RECENT_MAX {
            hub.changed("c");
        }
        assert!(hub.changed_since("a", mark), "too long ago to know");
        drop((late, second, other));
        assert!(!hub.is_watched("a") && !hub.is_watched("b"));
    }
}
