//! How many requests a component answers at once, and on whose behalf.
//!
//! Each [`Lane`] has permits of its own. Clients cannot use up what the node needs for itself: its events, timers and
//! frames go on while every public permit is taken.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Limits;
use crate::route::Pattern;

/// On whose behalf a component is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A client's request. It is refused while every permit is taken.
    Public,
    /// What the node asks for itself: events, timers, frames, takeovers. It queues for a permit.
    Internal,
    /// What the node asks for a client that it holds: a wait, an event stream, a socket's handshake or operation. It
    /// queues for a permit.
    Held,
}

/// Routes whose requests do not share an instance with any other request, and run on threads of their own.
#[derive(Clone, Debug)]
pub struct IsolationOptions {
    /// Name of the group, in metrics.
    pub name: String,
    /// The routes.
    pub routes: Vec<Pattern>,
    /// Requests under way at once, each in an instance of its own.
    pub requests_max: usize,
    /// Public requests that queue for one of those; more are refused.
    pub queue_max: usize,
}

/// The permits of a component, one set for each lane.
#[derive(Clone)]
pub(crate) struct Lanes {
    public: Arc<Semaphore>,
    internal: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

/// The right to occupy a component. It is given back once the component has answered or its time is over, whether or
/// not the caller still waits for the answer.
pub(crate) struct Admitted {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Admitted {
    /// For a request whose permit its caller keeps.
    pub(crate) const fn elsewhere() -> Self {
        Self { _permit: None }
    }
}

impl Lanes {
    pub(crate) fn new(limits: &Limits) -> Self {
        let permits = |max: usize| Arc::new(Semaphore::new(max));
        Self {
            public: permits(limits.concurrent_requests_max),
            internal: permits(limits.internal_requests_max),
            held: permits(limits.held_requests_max),
        }
    }

    fn of(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Public => &self.public,
            Lane::Internal => &self.internal,
            Lane::Held => &self.held,
        }
    }

    /// A permit of the lane; none where it is full and does not queue.
    pub(crate) async fn admit(&self, lane: Lane) -> Option<Admitted> {
        let permits = self.of(lane).clone();
        let permit = match lane {
            Lane::Public => permits.try_acquire_owned().ok()?,
            // The semaphores are never closed.
            Lane::Internal | Lane::Held => permits.acquire_owned().await.ok()?,
        };
        Some(Admitted { _permit: Some(permit) })
    }

    /// Permits of the lane that nobody holds.
    pub(crate) fn free(&self, lane: Lane) -> usize {
        self.of(lane).available_permits()
    }
}
