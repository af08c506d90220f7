//! A stop before the disk is full: what stores is refused while there is little room left, and what reads goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use edge_runtime::Body;
use edge_runtime::route::Pattern;
use http::{HeaderValue, Method, Response, StatusCode, header};
use tokio::sync::watch;

use crate::problem::problem;

/// Seconds after which a client that may not store may try again.
const RETRY_AFTER_S: u64 = 30;

/// When the disk counts as full.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// The folders that are written to. The one with the least room counts.
    pub folders: Vec<PathBuf>,
    /// Bytes that stay free.
    pub free_bytes_min: u64,
    /// The same in hundredths of a file system's size. The smaller of the two counts, so that a small disk can be used.
    pub free_percent_min: u64,
    /// Between two looks.
    pub interval: Duration,
    /// Paths where unsafe requests are answered all the same.
    pub open_paths: Vec<Pattern>,
}

/// Room of a file system, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What may still be written.
    pub free: u64,
    /// The whole of it.
    pub total: u64,
}

/// Knows whether there is room.
#[derive(Debug)]
pub struct DiskGuard {
    options: DiskOptions,
    full: AtomicBool,
    free_bytes: AtomicU64,
}

impl DiskGuard {
    /// Looks once, and keeps looking for as long as the node runs.
    #[must_use]
    pub fn watch(options: DiskOptions, stop: watch::Receiver<bool>) -> Arc<Self> {
        let guard = Arc::new(Self::new(options));
        tokio::spawn(guard.clone().keep_looking(stop));
        guard
    }

    fn new(options: DiskOptions) -> Self {
        let guard = Self { options, full: AtomicBool::new(false), free_bytes: AtomicU64::new(0) };
        guard.look(&space_of);
        guard
    }

    /// Whether what stores is refused now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Bytes that may still be written, at the last look; 0 where it is not known.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Refuses a request that stores while there is little room. Erasing goes on: it is a right, and makes room.
    pub(crate) fn refuse(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        if !self.is_full() || method.is_safe() || method == Method::DELETE {
            return None;
        }
        if self.options.open_paths.iter().any(|pattern| pattern.is_match(path)) {
            return None;
        }
        let detail =
            "the node's disk is nearly full, so it stores nothing; nothing was changed. Reading goes on";
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "storage-full", detail);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        Some(response)
    }

    async fn keep_looking(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while tokio::time::timeout(self.options.interval, stop.wait_for(|stop| *stop)).await.is_err() {
            let guard = self.clone();
            // A file system that hangs holds up nobody but this look.
            if let Err(error) = tokio::task::spawn_blocking(move || guard.look(&space_of)).await {
                tracing::error!(%error, "the disk was not looked at");
            }
        }
    }

    fn look(&self, space: &dyn Fn(&PathBuf) -> std::io::Result<Space>) {
        let (mut full, mut least) = (false, None);
        for folder in &self.options.folders {
            match space(folder) {
                Ok(space) => {
                    full |= self.is_little(space);
                    least = Some(least.map_or(space.free, |least: u64| least.min(space.free)));
                }
                // What is not known changes nothing.
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "the room on the disk is not known");
                    full |= self.is_full();
                }
            }
        }
        let was_full = self.full.swap(full, Ordering::Relaxed);
        let free = least.unwrap_or(0);
        self.free_bytes.store(free, Ordering::Relaxed);
        match (was_full, full) {
            (false, true) => {
                tracing::error!(
                    free_bytes = free,
                    "the disk is nearly full: what stores is refused until there is room"
                );
            }
            (true, false) => tracing::info!(free_bytes = free, "there is room on the disk again"),
            _ => {}
        }
    }

    /// Whether there is too little room. Once there was, a tenth more is wanted, so that it does not change to and fro.
    fn is_little(&self, space: Space) -> bool {
        let percent = space.total / 100;
        let least = self.options.free_bytes_min.min(percent.saturating_mul(self.options.free_percent_min));
        let wanted = if self.is_full() { least.saturating_add(least / 10) } else { least };
        space.free < wanted
    }
}

fn space_of(folder: &PathBuf) -> std::io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use edge_runtime::route::Pattern;
    use http::Method;

    use super::{DiskGuard, DiskOptions, Space, space_of};

    const MIB: u64 = 1 << 20;

    fn guard() -> DiskGuard {
        DiskGuard::new(DiskOptions {
            folders: vec![PathBuf::from("/")],
            free_bytes_min: 0,
            free_percent_min: 2,
            interval: Duration::from_secs(1),
            open_paths: vec![Pattern::parse("/sessions/...").expect("a route")],
        })
    }

    #[test]
    fn little_room_is_noticed_and_so_is_more() {
        let mut guard = guard();
        guard.options.free_bytes_min = 512 * MIB;
        let look = |total, free| {
            guard.look(&|_| Ok(Space { total, free }));
            guard.is_full()
        };
        let large = 1_000_000 * MIB;
        for (total, free, expected) in [
            (large, 513 * MIB, false),
            (large, 511 * MIB, true),
            // A little more is not enough.
            (large, 530 * MIB, true),
            (large, 600 * MIB, false),
            // On a small disk the part of it counts.
            (50 * MIB, 2 * MIB, false),
            (50 * MIB, MIB / 2, true),
            (50 * MIB, 2 * MIB, false),
            (0, 0, false),
        ] {
            assert_eq!(look(total, free), expected, "{free} of {total}");
        }
    }

    #[test]
    fn what_stores_is_refused_and_the_rest_is_not() {
        let guard = guard();
        guard.full.store(true, std::sync::atomic::Ordering::Relaxed);
        for (method, path, expected) in [
            (Method::POST, "/things", true),
            (Method::PUT, "/things/1", true),
            (Method::PATCH, "/things/1", true),
            (Method::GET, "/things", false),
            (Method::HEAD, "/things", false),
            (Method::OPTIONS, "/things", false),
            (Method::DELETE, "/things/1", false),
            (Method::POST, "/sessions", false),
        ] {
            let refusal = guard.refuse(&method, path);
            assert_eq!(refusal.is_some(), expected, "{method} {path}");
            if let Some(refusal) = refusal {
                assert_eq!(
                    (refusal.status().as_u16(), &refusal.headers()["retry-after"]),
                    (503, &"30".parse().expect("a value"))
                );
            }
        }
        guard.full.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(guard.refuse(&Method::POST, "/things").is_none());
    }

    #[test]
    fn a_look_that_fails_changes_nothing() {
        let guard = guard();
        let fail = |_: &PathBuf| Err(std::io::ErrorKind::NotFound.into());
        guard.look(&fail);
        assert!(!guard.is_full());
        guard.full.store(true, std::sync::atomic::Ordering::Relaxed);
        guard.look(&fail);
        assert!(guard.is_full());
        let space = space_of(&PathBuf::from("/")).expect("a file system");
        assert!(space.total >= space.free);
    }
}
