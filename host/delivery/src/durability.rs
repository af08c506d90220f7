//! What an acknowledgement is worth: committed on this node's disk, or also on every replica of the stream.

use std::sync::Arc;
use std::time::Duration;

use edge_data::WriteGate;
use edge_runtime::Body;
use edge_runtime::route::Pattern;
use edge_streams::{EventTable, RelayStatus, StreamError};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::sync::Mutex;

use crate::problem::problem;

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
    stream: Option<StreamProgress>,
    /// Closed once this node has lost the region: then nothing is acknowledged any more, since another owner may never
    /// have seen it.
    gate: WriteGate,
}

/// How far the stream is.
pub struct StreamProgress {
    table: Mutex<EventTable>,
    relay: RelayStatus,
}

impl StreamProgress {
    /// What `table` holds, published by the relay with that status.
    #[must_use]
    pub fn new(table: EventTable, relay: RelayStatus) -> Self {
        Self { table: Mutex::new(table), relay }
    }

    /// Waits until everything committed so far is in the stream.
    async fn caught_up(&self) -> Result<(), StreamError> {
        let last = self.table.lock().await.last_seq().await?;
        self.relay.reached(last).await;
        Ok(())
    }
}

impl Durability {
    /// Acknowledges as `options` say; without `stream`, nothing is worth more than [`Level::Local`].
    #[must_use]
    pub fn new(options: DurabilityOptions, stream: Option<StreamProgress>, gate: WriteGate) -> Arc<Self> {
        Arc::new(Self { options, stream, gate })
    }

    /// The class of a request; none for reads and for paths of no class.
    pub(crate) fn class_of(&self, method: &Method, path: &str) -> Option<&CommandClass> {
        if method.is_safe() {
            return None;
        }
        let takes = |class: &&CommandClass| class.routes.iter().any(|route| route.matches(path).is_some());
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

    /// Gives the answer out once it is worth what its class says.
    pub(crate) async fn settle(&self, class: &CommandClass, mut response: Response<Body>) -> Response<Body> {
        if !response.status().is_success() {
            return response;
        }
        let reached = match (class.level, &self.stream) {
            (Level::Stream, Some(stream)) => self.reach(stream).await,
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
        response.headers_mut().insert(&self.options.header, HeaderValue::from_static(reached.name()));
        response
    }

    async fn reach(&self, stream: &StreamProgress) -> Level {
        match tokio::time::timeout(self.options.timeout, stream.caught_up()).await {
            Ok(Ok(())) => Level::Stream,
            Ok(Err(error)) => {
                tracing::error!(%error, "what is committed cannot be read");
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
