//! Interrupts statements that run for too long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Running {
    next: u64,
    statements: BTreeMap<u64, (Instant, libsql::Connection)>,
}

/// Watches the statements of one database.
#[derive(Clone)]
pub(crate) struct Watchdog(Arc<Mutex<Running>>);

/// Ends the watch of one statement when dropped.
pub(crate) struct Watched<'a> {
    watchdog: &'a Watchdog,
    id: u64,
}

impl Watchdog {
    /// Starts a watch whose thread ends with the last clone.
    pub(crate) fn start(time_max: Duration) -> std::io::Result<Self> {
        let running = Arc::new(Mutex::new(Running::default()));
        let weak = Arc::downgrade(&running);
        std::thread::Builder::new().name("sql-watchdog".to_owned()).spawn(move || {
            while let Some(running) = weak.upgrade() {
                let late: Vec<libsql::Connection> = lock(&running)
                    .statements
                    .values()
                    .filter(|(since, _)| since.elapsed() > time_max)
                    .map(|(_, connection)| connection.clone())
                    .collect();
                for connection in late {
                    if let Err(error) = connection.interrupt() {
                        tracing::warn!(%error, "a statement that took too long could not be interrupted");
                    }
                }
                drop(running);
                std::thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(Self(running))
    }

    pub(crate) fn watch(&self, connection: &libsql::Connection) -> Watched<'_> {
        let mut running = lock(&self.0);
        let id = running.next;
        running.next += 1;
        running.statements.insert(id, (Instant::now(), connection.clone()));
        Watched { watchdog: self, id }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        lock(&self.watchdog.0).statements.remove(&self.id);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
