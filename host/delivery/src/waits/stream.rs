//! A stream of events (`text/event-stream`) that the node keeps and a component writes, piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use edge_runtime::{Body, BodyError};
use futures::stream;
use http::{Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::counts::Counted;
use super::question::{Hold, Question};
use super::{Answer, Waits};
use crate::sockets::{Mark, Waiting};

/// After a question that was not answered.
const RETRY: Duration = Duration::from_secs(1);
/// A client whose stream ends because the node stops comes back after this time and up to as much again, milliseconds: not
/// all at once.
const COME_BACK_MS: u32 = 500;

/// Has the client of a stream that ends come back soon.
pub(crate) fn come_back() -> Bytes {
    // Without chance they come back together, which is no error.
    let later = getrandom::u32().unwrap_or_default() % COME_BACK_MS;
    format!("retry: {}\n\n", COME_BACK_MS + later).into()
}

/// An open stream of events.
pub(super) struct EventStream {
    waits: Arc<Waits>,
    question: Arc<Question>,
    memo: Box<str>,
    waiting: Waiting,
    /// When it ends whatever happens.
    until: Instant,
    ending: watch::Receiver<bool>,
    /// What is written before anything else.
    first: Option<Bytes>,
    over: bool,
    _counted: Counted,
}

enum Woken {
    Answered(Arc<Answer>),
    Quiet,
    Ending,
}

impl EventStream {
    pub(super) fn new(
        waits: Arc<Waits>,
        question: Arc<Question>,
        hold: Hold,
        mark: Mark,
        first: Bytes,
        counted: Counted,
    ) -> Self {
        let mut waiting = waits.hub.wait_for(&hold.key, mark);
        if hold.again {
            waiting.again();
        }
        let until = Instant::now() + hold.time.min(waits.options.limits.stream_max);
        let ending = waits.ending.subscribe();
        let first = Some(first).filter(|first| !first.is_empty());
        Self {
            waits,
            question,
            memo: hold.memo,
            waiting,
            until,
            ending,
            first,
            over: false,
            _counted: counted,
        }
    }

    /// The response that begins with those parts.
    pub(super) fn into_response(self, mut parts: http::response::Parts) -> Response<Body> {
        parts.headers.remove(header::CONTENT_LENGTH);
        // On the heap before it is a stream: what is kept for hours is small.
        let frames = stream::unfold(Box::new(self), |mut events| async move {
            let bytes = events.next().await?;
            Some((Ok::<_, BodyError>(Frame::data(bytes)), events))
        });
        Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
    }

    /// What is written next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.over {
            match self.woken().await {
                Woken::Ending => {
                    self.over = true;
                    return Some(come_back());
                }
                Woken::Quiet if Instant::now() >= self.until => return None,
                Woken::Quiet => return Some(Bytes::from_static(b":\n\n")),
                Woken::Answered(answer) => {
                    if let Some(bytes) = self.take(&answer).await {
                        return Some(bytes);
                    }
                }
            }
        }
        None
    }

    async fn woken(&mut self) -> Woken {
        let quiet_until = self.until.min(Instant::now() + self.waits.options.limits.heartbeat);
        let Self { waits, question, memo, waiting, ending, .. } = self;
        let change = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return Woken::Ending,
            change = waiting.next() => change,
            () = tokio::time::sleep_until(quiet_until) => return Woken::Quiet,
        };
        // On the heap, since it is rare: what waits for hours is small.
        let asked = Box::pin(waits.ask(question, memo, change));
        tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => Woken::Ending,
            answer = asked => Woken::Answered(answer),
        }
    }

    /// What of an answer is written.
    async fn take(&mut self, answer: &Answer) -> Option<Bytes> {
        let status = answer.parts.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            // Nothing was told: it is asked for again.
            tokio::time::sleep(RETRY).await;
            self.waiting.again();
            return None;
        }
        match &answer.hold {
            Some(hold) if hold.key == *self.waiting.key() => {
                self.memo.clone_from(&hold.memo);
                if hold.again {
                    self.waiting.again();
                }
            }
            _ => self.over = true,
        }
        let told = status == StatusCode::OK && answer.is_events() && !answer.bytes.is_empty();
        told.then(|| answer.bytes.clone())
    }
}
