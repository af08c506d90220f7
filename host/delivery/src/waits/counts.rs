//! How many requests wait: in all, for one viewer, and for one address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_runtime::Body;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::WaitLimits;
use crate::problem::problem;
use crate::throttle::{self, Hold, counted};

/// Seconds after which a client that waits too often may try again.
const RETRY_AFTER_S: &str = "5";

/// Everything that is held.
pub(super) struct Counts {
    all: Arc<Semaphore>,
    polls: Arc<Kind>,
    streams: Arc<Kind>,
}

/// Answers that wait, or event streams.
struct Kind {
    by_viewer: Arc<throttle::Counts<Box<str>>>,
    by_address: Arc<throttle::Counts<IpAddr>>,
    open: AtomicUsize,
    gauge: metrics::Gauge,
}

/// Why somebody may not wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The node holds as many as it may.
    Full,
    /// As many as it may for this viewer or address.
    TooMany,
}

/// One that waits, counted until this is dropped.
pub(super) struct Counted {
    _of_all: OwnedSemaphorePermit,
    _of_viewer: Option<Hold<Box<str>>>,
    _of_address: Hold<IpAddr>,
    kind: Arc<Kind>,
}

impl Kind {
    fn new(name: &'static str, per_viewer: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            by_viewer: throttle::Counts::new(per_viewer),
            by_address: throttle::Counts::new(per_address),
            open: AtomicUsize::new(0),
            gauge: metrics::gauge!("waits_open", "kind" => name),
        })
    }
}

impl Counts {
    pub(super) fn new(limits: &WaitLimits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.held_max)),
            polls: Kind::new("poll", limits.polls_per_viewer, limits.polls_per_address),
            streams: Kind::new("stream", limits.streams_per_viewer, limits.streams_per_address),
        }
    }

    /// Answers that wait, and event streams.
    pub(super) fn open(&self) -> [usize; 2] {
        [&self.polls, &self.streams].map(|kind| kind.open.load(Ordering::Relaxed))
    }

    /// Counts an answer that waits, or an event stream.
    pub(super) fn admit(
        &self,
        events: bool,
        viewer: Option<Box<str>>,
        client: IpAddr,
    ) -> Result<Counted, Refused> {
        let kind = if events { &self.streams } else { &self.polls };
        let of_all = self.all.clone().try_acquire_owned().map_err(|_| Refused::Full)?;
        let of_viewer =
            viewer.map(|viewer| kind.by_viewer.hold(viewer).ok_or(Refused::TooMany)).transpose()?;
        let of_address = kind.by_address.hold(counted(client)).ok_or(Refused::TooMany)?;
        kind.open.fetch_add(1, Ordering::Relaxed);
        kind.gauge.increment(1.0);
        let kind = kind.clone();
        Ok(Counted { _of_all: of_all, _of_viewer: of_viewer, _of_address: of_address, kind })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.kind.open.fetch_sub(1, Ordering::Relaxed);
        self.kind.gauge.decrement(1.0);
    }
}

impl Refused {
    /// What the client is told.
    pub(super) fn answer(&self) -> Response<Body> {
        let (status, code, detail) = match self {
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "the node holds as many waiting requests as it may; ask without waiting, or try again shortly",
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "as many of your requests wait as may; end one of them first",
            ),
        };
        let mut response = problem(status, code, detail);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::{Counts, Refused};
    use crate::waits::WaitLimits;

    #[test]
    fn waits_are_limited_for_each_viewer_each_address_and_all() {
        let limits = WaitLimits {
            polls_per_viewer: 2,
            polls_per_address: 3,
            streams_per_viewer: 1,
            streams_per_address: 2,
            held_max: 5,
            poll_max: Duration::ZERO,
            stream_max: Duration::ZERO,
            heartbeat: Duration::ZERO,
        };
        let counts = Counts::new(&limits);
        let admit = |events, viewer: &str, last| {
            counts.admit(events, Some(viewer.into()), IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
        };
        let mut held: Vec<_> = [admit(false, "a", 1), admit(false, "a", 1), admit(true, "a", 1)]
            .into_iter()
            .map(|counted| counted.unwrap_or_else(|_| panic!("held")))
            .collect();
        assert_eq!(admit(false, "a", 2).err(), Some(Refused::TooMany), "the viewer's");
        assert_eq!(admit(true, "a", 2).err(), Some(Refused::TooMany), "each kind by itself");
        held.extend(admit(false, "b", 1).ok());
        assert_eq!(admit(false, "c", 1).err(), Some(Refused::TooMany), "the address's");
        held.extend(admit(false, "c", 3).ok());
        assert_eq!((held.len(), admit(false, "d", 4).err()), (5, Some(Refused::Full)));
        drop(held);
        assert!([&counts.polls, &counts.streams].iter().all(|kind| kind.by_viewer.is_empty()));
        assert!([&counts.polls, &counts.streams].iter().all(|kind| kind.by_address.is_empty()));
        assert_eq!(counts.open(), [0, 0]);
        assert!(admit(false, "a", 1).is_ok());
    }
}
