//! What an acknowledgement is worth: committed on this node's disk, or also on every replica of the stream.
//!
//! The header never says more than is true. A component says of an answer where what it did is kept: what is in no event yet is
//! written into one before the stream is waited for, and what is never in one is worth the disk that it is on.

use std::sync::Arc;
use std::time::Duration;

use edge_data::WriteGate;
use edge_runtime::Body;
use edge_runtime::route::Pattern;
use edge_streams::{EventTable, RelayStatus, StreamError};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::sync::Mutex;

use crate::problem::problem;
use crate::settle::Settler;

/// The header by which a component says that what it did is not in the region's events: `later` where it will be, or once it is
/// settled, `elsewhere` where it never is. It is taken away.
const KEPT_HEADER: HeaderName = HeaderName::from_static("edge-kept");
/// The header by which a component is told which of the region's events are on every replica of the stream: up to that number, or
/// `all` where this node's disk is the only replica. Nobody else may set it.
pub(crate) const PUBLISHED_HEADER: HeaderName = HeaderName::from_static("edge-published");

/// Where what was acknowledged is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// On this node's disk.
    Local,
    /// There, and on every replica of the stream's broker.
    Stream,
}

impl Level {
    /// Its name, as clients and node files know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Stream => "stream",
        }
    }
}

/// What happens to commands that the stream cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// They are refused, and may be repeated.
    Refuse,
    /// They are acknowledged at the lower level, and say so.
    Degrade,
}

/// Commands that are worth the same.
#[derive(Clone, Debug)]
pub struct CommandClass {
    /// What they are worth.
    pub level: Level,
    /// Their paths.
    pub routes: Vec<Pattern>,
    /// Whether the same paths carry reads, told apart only by the component.
    pub reads_too: bool,
}

/// What acknowledgements are worth.
#[derive(Clone, Debug)]
pub struct DurabilityOptions {
    /// The header that tells the client.
    pub header: HeaderName,
    /// The first whose route matches decides.
    pub classes: Vec<CommandClass>,
    /// When the stream cannot take what was committed.
    pub when_unavailable: WhenUnavailable,
    /// How long an answer waits for the stream.
    pub timeout: Duration,
}

/// Holds answers back until they are worth what their class says.
pub struct Durability {
    options: DurabilityOptions,
    stream: Option<Arc<StreamProgress>>,
    /// Closed once this node has lost the region: then nothing is acknowledged any more, since another owner may never
    /// have seen it.
    gate: WriteGate,
}

/// How far the stream is.
pub struct StreamProgress {
    table: Mutex<EventTable>,
    relay: RelayStatus,
    settler: Option<Settler>,
}

/// How far the region's events are on every replica of the stream, for its component to know.
#[derive(Clone)]
pub enum Replicas {
    /// This node's disk is the only one.
    ThisDisk,
    /// As far as the relay has published, by the right of a gate.
    Stream {
        /// What the relay did.
        relay: RelayStatus,
        /// Whether this node still owns the region.
        gate: WriteGate,
    },
}

impl Replicas {
    /// As the component is told.
    pub(crate) fn header(&self) -> HeaderValue {
        match self {
            Self::ThisDisk => HeaderValue::from_static("all"),
            Self::Stream { relay, gate } => {
                let published = relay.delivered();
                // Asked afterwards: what was published while the region was this node's is read by every owner after it.
                HeaderValue::from(if gate.is_open() { published } else { 0 })
            }
        }
    }
}

/// Where what a command did is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// In the region's events.
    Events,
    /// There once it is settled.
    Later,
    /// Never there.
    Elsewhere,
}

impl Kept {
    /// What a component says of its answer.
    fn take(response: &mut Response<Body>) -> Self {
        match response.headers_mut().remove(KEPT_HEADER) {
            None => Self::Events,
            Some(value) if value == "later" => Self::Later,
            Some(_) => Self::Elsewhere,
        }
    }
}

impl StreamProgress {
    /// What `table` holds, published by the relay with that status; `settler` has it hold everything that is stored.
    #[must_use]
    pub fn new(table: EventTable, relay: RelayStatus, settler: Option<Settler>) -> Self {
        Self { table: Mutex::new(table), relay, settler }
    }

    /// Whether the last attempt to publish failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.relay.is_failing()
    }

    /// Waits until everything that is in the events by now is in the stream; the last event.
    ///
    /// # Errors
    /// When the events cannot be read.
    pub async fn caught_up(&self) -> Result<u64, StreamError> {
        let last = self.table.lock().await.last_seq().await?;
        self.relay.reached(last).await;
        Ok(last)
    }

    /// Has everything that is stored written into the events, and waits until it is in the stream; the last event.
    ///
    /// # Errors
    /// When it cannot be written or read.
    pub async fn settled(&self) -> Result<u64, SettleError> {
        if let Some(settler) = &self.settler {
            settler.settle().await?;
        }
        Ok(self.caught_up().await?)
    }
}

/// Why what is stored is not all in the stream.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// It is not all in the events.
    #[error(transparent)]
    Settle(#[from] crate::internal::InternalError),
    /// The events cannot be read.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Durability {
    /// Acknowledges as `options` say; without `stream`, nothing is worth more than [`Level::Local`].
    #[must_use]
    pub fn new(
        options: DurabilityOptions,
        stream: Option<Arc<StreamProgress>>,
        gate: WriteGate,
    ) -> Arc<Self> {
        Arc::new(Self { options, stream, gate })
    }

    /// How far the events are on every replica.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.stream.as_ref().map_or(Replicas::ThisDisk, |stream| Replicas::Stream {
            relay: stream.relay.clone(),
            gate: self.gate.clone(),
        })
    }

    /// The class of a request; none for reads and for paths of no class.
    pub(crate) fn class_of(&self, method: &Method, path: &str) -> Option<&CommandClass> {
        if method.is_safe() { None } else { self.class_at(path) }
    }

    fn class_at(&self, path: &str) -> Option<&CommandClass> {
        let takes = |class: &&CommandClass| class.routes.iter().any(|route| route.is_match(path));
        self.options.classes.iter().find(takes)
    }

    /// Refuses a command before it changes anything, where it could not be acknowledged.
    pub(crate) fn refuse_now(&self, class: &CommandClass) -> Option<Response<Body>> {
        let refused = class.level == Level::Stream
            && !class.reads_too
            && self.options.when_unavailable == WhenUnavailable::Refuse
            && self.stream.as_ref().is_some_and(|stream| stream.relay.is_failing());
        refused.then(|| {
            refusal("the stream that keeps a second copy cannot be reached; nothing was changed, try again shortly")
        })
    }

    /// Says what the frames of a socket are worth that was opened at a path with a class: this node's disk. How many of
    /// them are worth more, the answers to them say.
    pub(crate) fn of_socket(&self, path: &str, mut response: Response<Body>) -> Response<Body> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && self.class_at(path).is_some() {
            let local = HeaderValue::from_static(Level::Local.name());
            response.headers_mut().insert(&self.options.header, local);
        }
        response
    }

    /// Takes out of an answer what is not for its client.
    pub(crate) fn forget(response: &mut Response<Body>) {
        response.headers_mut().remove(KEPT_HEADER);
    }

    /// Gives the answer out once it is worth what its class says.
    pub(crate) async fn settle(&self, class: &CommandClass, mut response: Response<Body>) -> Response<Body> {
        let kept = Kept::take(&mut response);
        if !response.status().is_success() {
            return response;
        }
        let reached = match (class.level, &self.stream) {
            (Level::Stream, Some(stream)) => self.reach(stream, kept).await,
            _ => Level::Local,
        };
        if !self.gate.is_open() {
            return refusal(
                "another node has taken over meanwhile; repeat the same command with the same Idempotency-Key to learn \
                 whether it was done",
            );
        }
        if reached < class.level && self.options.when_unavailable == WhenUnavailable::Refuse {
            return refusal(
                "it was done here, but the stream that keeps a second copy did not take it yet; repeat the same \
                 command with the same Idempotency-Key to learn when it did",
            );
        }
        let worth = if kept == Kept::Elsewhere { Level::Local } else { reached };
        response.headers_mut().insert(&self.options.header, HeaderValue::from_static(worth.name()));
        response
    }

    async fn reach(&self, stream: &StreamProgress, kept: Kept) -> Level {
        let reaching = async {
            match kept {
                Kept::Later => stream.settled().await,
                Kept::Events | Kept::Elsewhere => Ok(stream.caught_up().await?),
            }
        };
        match tokio::time::timeout(self.options.timeout, reaching).await {
            // Without somebody who settles, it is in no event yet.
            Ok(Ok(_)) if kept == Kept::Later && stream.settler.is_none() => Level::Local,
            Ok(Ok(_)) => Level::Stream,
            Ok(Err(error)) => {
                tracing::error!(%error, "what is committed is not known to be in the stream");
                Level::Local
            }
            Err(_) => {
                metrics::counter!("durability_timeouts_total").increment(1);
                Level::Local
            }
        }
    }
}

fn refusal(detail: &str) -> Response<Body> {
    problem(StatusCode::SERVICE_UNAVAILABLE, "not-durable", detail)
}
