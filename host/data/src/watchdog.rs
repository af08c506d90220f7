//! Interrupts statements that run for too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Watches the connections of one database.
#[derive(Clone)]
pub(crate) struct Watchdog(Arc<Watched>);

struct Watched {
    started: Instant,
    slots: Mutex<Vec<Weak<Slot>>>,
}

/// What the watch sees of one connection.
struct Slot {
    connection: libsql::Connection,
    /// When the statement that runs began, in milliseconds from the watch's start, counted from 1. 0: none runs.
    since: AtomicU64,
}

/// One connection under watch, for as long as this lives.
pub(crate) struct Watch {
    slot: Arc<Slot>,
    watched: Arc<Watched>,
}

/// A statement under watch, until dropped.
pub(crate) struct Running<'a>(&'a Slot);

impl Watchdog {
    /// Starts a watch whose thread ends with the last clone.
    pub(crate) fn start(time_max: Duration) -> std::io::Result<Self> {
        let watched = Arc::new(Watched { started: Instant::now(), slots: Mutex::default() });
        let weak = Arc::downgrade(&watched);
        std::thread::Builder::new().name("sql-watchdog".to_owned()).spawn(move || {
            while let Some(watched) = weak.upgrade() {
                watched.interrupt_late(time_max);
                drop(watched);
                std::thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(Self(watched))
    }

    /// Watches the statements of a connection.
    pub(crate) fn watch(&self, connection: &libsql::Connection) -> Watch {
        let slot = Arc::new(Slot { connection: connection.clone(), since: AtomicU64::new(0) });
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&slot));
        Watch { slot, watched: self.0.clone() }
    }
}

impl Watched {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn interrupt_late(&self, time_max: Duration) {
        let now = self.now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            let since = slot.since.load(Ordering::Relaxed);
            if since != 0
                && u128::from(now.saturating_sub(since)) > time_max.as_millis()
                && let Err(error) = slot.connection.interrupt()
            {
                tracing::warn!(%error, "a statement that took too long could not be interrupted");
            }
            true
        });
    }
}

impl Watch {
    /// Notes that a statement begins.
    pub(crate) fn begin(&self) -> Running<'_> {
        self.slot.since.store(self.watched.now(), Ordering::Relaxed);
        Running(&self.slot)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.since.store(0, Ordering::Relaxed);
    }
}
