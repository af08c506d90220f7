//! Who watches what on this node, and what is new of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, broadcast};

use super::format::Packed;

/// News that wait for a watcher. Who falls farther behind is told all of it at once instead.
const WAITING_MAX: usize = 16;

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
    /// Up to where news were told.
    cursor: u64,
}

/// The keys that somebody watches.
#[derive(Default)]
pub struct Hub {
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
        let topic = topics
            .entry(key.clone())
            .or_insert_with(|| Topic { items: broadcast::Sender::new(WAITING_MAX), cursor });
        Watching { items: Some(topic.items.subscribe()), key: key.clone(), hub: self.clone() }
    }

    /// Tells those who watch the key.
    pub(super) fn publish(&self, key: &str, item: Item) {
        if let Some(topic) = lock(&self.topics).get_mut(key) {
            topic.cursor = topic.cursor.max(item.to);
            // Without a receiver the topic is about to go.
            drop(topic.items.send(Arc::new(item)));
        }
    }

    /// Says that something of the key changed: what it is has to be read.
    pub fn changed(&self, key: &str) {
        let Some(key) = lock(&self.topics).get_key_value(key).map(|(key, _)| key.clone()) else { return };
        if lock(&self.changed).insert(key) {
            self.wake.notify_one();
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
        let mut topics = lock(&self.hub.topics);
        self.items = None;
        if topics.get(&self.key).is_some_and(|topic| topic.items.receiver_count() == 0) {
            topics.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Heard, Hub, Item, WAITING_MAX};
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
}
