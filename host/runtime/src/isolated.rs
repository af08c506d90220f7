//! Requests that share neither an instance nor a thread with others.
//!
//! A trap ends an instance and every request in it, and a guest that computes keeps its thread busy. Requests of these
//! routes are answered one at a time by instances that answer nothing else, on a few threads that answer nothing else:
//! what goes wrong in one of them costs that request only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::{Admitted, IsolationOptions, Lane};
use crate::handler::Handler;
use crate::route::Pattern;
use crate::{Body, full_body};

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why an isolated request has no answer.
pub(crate) enum IsolatedError {
    /// Every instance is busy and the queue is full.
    Full,
    /// The instance failed, or took too long.
    Failed(wasmtime::Error),
    /// The answer broke off.
    BrokeOff(String),
}

/// Threads for isolated requests. They compete with the node's other threads by the operating system's scheduler only.
pub(crate) struct Background(Option<tokio::runtime::Runtime>);

impl Background {
    /// Starts half as many threads as there are processors, at least one.
    pub(crate) fn start() -> std::io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads((processors / 2).max(1))
            .thread_name("isolated")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.0.as_ref().map(tokio::runtime::Runtime::handle)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // What is under way ends with the node.
            runtime.shutdown_background();
        }
    }
}

/// The instances of one component that answer isolated requests.
pub(crate) struct Isolated {
    name: String,
    routes: Vec<Pattern>,
    slots: Arc<Slots>,
    queue: Arc<Semaphore>,
    /// How long a request queues.
    patience: Duration,
    background: Arc<Background>,
}

/// Handlers that are free. The one used last is taken first, so that those not needed fall idle and end.
struct Slots {
    free: Mutex<Vec<Handler>>,
    permits: Arc<Semaphore>,
}

/// A handler that nobody else uses.
struct Slot {
    handler: Option<Handler>,
    slots: Arc<Slots>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take() {
            self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).push(handler);
        }
    }
}

impl Isolated {
    /// Answers with `handlers`, each of which takes one request at a time.
    pub(crate) fn new(
        options: &IsolationOptions,
        handlers: Vec<Handler>,
        patience: Duration,
        background: Arc<Background>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(handlers.len()));
        Self {
            name: options.name.clone(),
            routes: options.routes.clone(),
            slots: Arc::new(Slots { free: Mutex::new(handlers), permits }),
            queue: Arc::new(Semaphore::new(options.queue_max)),
            patience,
            background,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn takes(&self, path: &str) -> bool {
        self.routes.iter().any(|route| route.is_match(path))
    }

    /// Requests that may begin at once.
    pub(crate) fn free(&self) -> usize {
        self.slots.permits.available_permits()
    }

    async fn slot(&self, lane: Lane) -> Option<Slot> {
        let permits = self.slots.permits.clone();
        let permit = if let Ok(permit) = permits.clone().try_acquire_owned() {
            permit
        } else {
            let _queued = match lane {
                Lane::Public => Some(self.queue.try_acquire().ok()?),
                Lane::Internal | Lane::Held => None,
            };
            tokio::time::timeout(self.patience, permits.acquire_owned()).await.ok()?.ok()?
        };
        let handler = self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(Slot { handler, slots: self.slots.clone(), _permit: permit })
    }

    /// Answers a request. The whole answer is read before another request may have the instance.
    pub(crate) async fn answer(
        &self,
        lane: Lane,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, IsolatedError> {
        let slot = self.slot(lane).await.ok_or(IsolatedError::Full)?;
        let runtime = self.background.handle().ok_or(IsolatedError::Full)?;
        // Goes on where the caller leaves: the instance is free once the guest is done.
        let answering = runtime.spawn(async move {
            let Some(handler) = &slot.handler else { return Err(IsolatedError::Full) };
            let answer = handler.handle(Admitted::elsewhere(), request).await;
            let (parts, body) = answer.map_err(IsolatedError::Failed)?.into_parts();
            let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = read.map_err(|e| IsolatedError::BrokeOff(e.to_string()))?.to_bytes();
            drop(slot);
            Ok(http::Response::from_parts(parts, full_body(bytes)))
        });
        answering.await.unwrap_or_else(|error| Err(IsolatedError::BrokeOff(error.to_string())))
    }
}
