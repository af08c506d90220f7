//! How many requests wait: in all, for one viewer, and for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_runtime::Body;
use http::{HeaderValue, Response, StatusCode, header};

use super::WaitLimits;
use crate::problem::problem;

/// Seconds after which a client that waits too often may try again.
const RETRY_AFTER_S: &str = "5";

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    Viewer(Box<str>),
    Address(IpAddr),
}

/// Everything that is held.
pub(super) struct Counts {
    limits: WaitLimits,
    held: Mutex<Held>,
    gauges: [metrics::Gauge; 2],
}

#[derive(Default)]
struct Held {
    /// Answers that wait, and event streams.
    open: [usize; 2],
    /// The same for each viewer and address.
    each: HashMap<Who, [usize; 2]>,
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
    counts: Arc<Counts>,
    who: [Option<Who>; 2],
    kind: usize,
}

impl Counts {
    pub(super) fn new(limits: WaitLimits) -> Self {
        let gauges = ["poll", "stream"].map(|kind| metrics::gauge!("waits_open", "kind" => kind));
        Self { limits, held: Mutex::default(), gauges }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing under this lock panics half-way through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers that wait, and event streams.
    pub(super) fn open(&self) -> [usize; 2] {
        self.held().open
    }

    /// Counts an answer that waits, or an event stream.
    pub(super) fn admit(
        self: &Arc<Self>,
        events: bool,
        viewer: Option<Box<str>>,
        client: IpAddr,
    ) -> Result<Counted, Refused> {
        let kind = usize::from(events);
        let limits = &self.limits;
        let (per_viewer, per_address) = [
            (limits.polls_per_viewer, limits.polls_per_address),
            (limits.streams_per_viewer, limits.streams_per_address),
        ][kind];
        let who = [viewer.map(Who::Viewer), Some(Who::Address(client))];
        let mut held = self.held();
        if held.open.iter().sum::<usize>() >= limits.held_max {
            return Err(Refused::Full);
        }
        for (who, max) in who.iter().zip([per_viewer, per_address]) {
            let count = who.as_ref().and_then(|who| held.each.get(who)).map_or(0, |counts| counts[kind]);
            if who.is_some() && count >= max {
                return Err(Refused::TooMany);
            }
        }
        held.open[kind] += 1;
        for who in who.iter().flatten() {
            held.each.entry(who.clone()).or_default()[kind] += 1;
        }
        self.gauges[kind].increment(1.0);
        Ok(Counted { counts: self.clone(), who, kind })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut held = self.counts.held();
        held.open[self.kind] -= 1;
        for who in self.who.iter().flatten() {
            if let Some(counts) = held.each.get_mut(who) {
                counts[self.kind] -= 1;
                if *counts == [0, 0] {
                    held.each.remove(who);
                }
            }
        }
        self.counts.gauges[self.kind].decrement(1.0);
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
    use std::sync::Arc;
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
        let counts = Arc::new(Counts::new(limits));
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
        assert!(counts.held().each.is_empty());
        assert_eq!(counts.open(), [0, 0]);
        assert!(admit(false, "a", 1).is_ok());
    }
}
