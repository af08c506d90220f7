//! What a connection does, so that one that does nothing, or whose answers are not read, is closed.
//!
//! The HTTP library has no time limit for a connection without requests (HTTP/2's pings keep it open), nor for answers
//! that a client does not read. [`Activity`] is what one connection's parts know together: [`WatchedIo`] under its TLS
//! tells what is written, [`WatchedBody`] which answers wait for their client; the task that serves the connection judges.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Answers whose progress is followed at once: as many as a connection may have. Others count as under way.
const SLOTS: usize = 64;
/// Bytes written that count as a sign of life: pings, their answers and settings come to less.
const SIGN_OF_LIFE_BYTES: u64 = 4 << 10;

/// When a connection is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Without a request under way, and next to nothing written.
    pub(crate) idle: Duration,
    /// With an answer of which the client reads nothing.
    pub(crate) unread: Duration,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is in use, or was a moment ago; ask again after so long.
    Fine(Duration),
    /// Nothing was asked for too long.
    Idle,
    /// An answer was not read for too long.
    Unread,
}

/// What one connection does.
pub(crate) struct Activity {
    started: Instant,
    /// Which slots are taken, a bit each.
    taken: AtomicU64,
    /// By slot: when a part of the answer was handed to the connection, if no more was asked for since; else 0.
    handed: [AtomicU32; SLOTS],
    /// Requests under way beyond the slots.
    beyond: AtomicU32,
    /// When a request began or ended last.
    last: AtomicU32,
    written: AtomicU64,
}

/// The connection as the task that serves it sees it from judgement to judgement.
pub(crate) struct Judge {
    activity: Arc<Activity>,
    patience: Patience,
    /// When there was a sign of life last, and what had been written then.
    alive: (u32, u64),
}

/// A request under way. Dropping it ends it.
pub(crate) struct Exchange {
    activity: Arc<Activity>,
    slot: Option<usize>,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            taken: AtomicU64::new(0),
            handed: [const { AtomicU32::new(0) }; SLOTS],
            beyond: AtomicU32::new(0),
            last: AtomicU32::new(1),
            written: AtomicU64::new(0),
        })
    }

    /// Hundredths of a second since the connection's start, from 1: enough for a year and more.
    fn now(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_millis() / 10).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Exchange {
        let mut slot = None;
        let claim = |taken: u64| {
            let free = taken.trailing_ones();
            slot = usize::try_from(free).ok().filter(|free| *free < SLOTS);
            slot.map(|_| taken | (1 << free))
        };
        if self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).is_err() {
            self.beyond.fetch_add(1, Ordering::AcqRel);
        }
        self.last.store(self.now(), Ordering::Release);
        Exchange { activity: self.clone(), slot }
    }

    /// Whether a request is under way, its answer included.
    pub(crate) fn is_busy(&self) -> bool {
        self.taken.load(Ordering::Acquire) != 0 || self.beyond.load(Ordering::Acquire) != 0
    }

    /// Whether an answer waits for its client for longer than that.
    fn is_unread(&self, now: u32, patience: u32) -> bool {
        let waits = |handed: &AtomicU32| match handed.load(Ordering::Acquire) {
            0 => false,
            since => now.saturating_sub(since) >= patience,
        };
        self.taken.load(Ordering::Acquire) != 0 && self.handed.iter().any(waits)
    }
}

impl Judge {
    pub(crate) fn new(activity: Arc<Activity>, patience: Patience) -> Self {
        Self { activity, patience, alive: (1, 0) }
    }

    /// What is to be done now.
    pub(crate) fn judge(&mut self) -> Judgement {
        let now = self.activity.now();
        if self.activity.is_unread(now, hundredths(self.patience.unread)) {
            return Judgement::Unread;
        }
        let written = self.activity.written.load(Ordering::Acquire);
        if self.activity.is_busy() {
            self.alive = (now, written);
            return Judgement::Fine(self.patience.unread.min(self.patience.idle) / 2);
        }
        let last = self.activity.last.load(Ordering::Acquire);
        if written.saturating_sub(self.alive.1) >= SIGN_OF_LIFE_BYTES {
            self.alive = (now, written);
        }
        let silent = now.saturating_sub(last.max(self.alive.0));
        let left = hundredths(self.patience.idle).saturating_sub(silent);
        if left == 0 { Judgement::Idle } else { Judgement::Fine(Duration::from_millis(u64::from(left) * 10)) }
    }
}

fn hundredths(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / 10).unwrap_or(u32::MAX).max(1)
}

impl Exchange {
    /// More of the answer is asked for.
    fn asked(&self) {
        if let Some(slot) = self.slot {
            self.activity.handed[slot].store(0, Ordering::Release);
        }
    }

    /// A part of the answer was handed to the connection.
    fn handed(&self) {
        if let Some(slot) = self.slot {
            self.activity.handed[slot].store(self.activity.now(), Ordering::Release);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.last.store(activity.now(), Ordering::Release);
        match self.slot {
            Some(slot) => {
                activity.handed[slot].store(0, Ordering::Release);
                activity.taken.fetch_and(!(1 << slot), Ordering::AcqRel);
            }
            None => {
                activity.beyond.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// An answer's body. The request is under way until it is dropped.
pub(crate) struct WatchedBody<B> {
    body: B,
    exchange: Exchange,
}

impl<B> WatchedBody<B> {
    pub(crate) const fn new(body: B, exchange: Exchange) -> Self {
        Self { body, exchange }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for WatchedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.exchange.asked();
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.exchange.handed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's bytes. Fails where nothing can be written for too long; `H` is held until it is dropped.
pub(crate) struct WatchedIo<S, H> {
    stream: S,
    activity: Arc<Activity>,
    unread: Duration,
    /// Set while the other side takes nothing; made when that happens first.
    deadline: Option<Pin<Box<Sleep>>>,
    waits: bool,
    _held: H,
}

impl<S, H> WatchedIo<S, H> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>, unread: Duration, held: H) -> Self {
        Self { stream, activity, unread, deadline: None, waits: false, _held: held }
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.waits = false;
            if let Ok(bytes) = &written {
                self.activity.written.fetch_add(*bytes as u64, Ordering::AcqRel);
            }
            return Poll::Ready(written);
        }
        let until = Instant::now() + self.unread;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !std::mem::replace(&mut self.waits, true) {
            deadline.as_mut().reset(until);
        }
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client reads nothing of its answer",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin, H: Unpin> AsyncRead for WatchedIo<S, H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin, H: Unpin> AsyncWrite for WatchedIo<S, H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use tokio::io::AsyncWriteExt as _;

    use super::{Activity, Judge, Judgement, Patience, SLOTS, WatchedBody, WatchedIo};

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_connection_without_requests_is_idle() {
        let activity = Activity::new();
        let mut judge = Judge::new(activity.clone(), Patience { idle: SHORT, unread: LONG });
        assert!(matches!(judge.judge(), Judgement::Fine(_)));
        let exchange = activity.begin();
        tokio::time::sleep(SHORT * 2).await;
        assert!(matches!(judge.judge(), Judgement::Fine(_)), "a request is under way");
        drop(exchange);
        assert!(matches!(judge.judge(), Judgement::Fine(_)), "one was a moment ago");
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(judge.judge(), Judgement::Idle);
    }

    #[tokio::test]
    async fn more_requests_than_slots_are_counted() {
        let activity = Activity::new();
        let mut all: Vec<_> = (0..SLOTS + 3).map(|_| activity.begin()).collect();
        assert_eq!(all.iter().filter(|exchange| exchange.slot.is_none()).count(), 3);
        all.drain(..SLOTS);
        assert!(activity.is_busy());
        assert!(activity.begin().slot.is_some(), "slots are used again");
        all.clear();
        assert!(!activity.is_busy());
    }

    #[tokio::test]
    async fn an_answer_that_is_not_read_is_noticed() {
        let activity = Activity::new();
        let mut judge = Judge::new(activity.clone(), Patience { idle: LONG, unread: SHORT });
        let body = Full::new(Bytes::from_static(b"an answer"));
        let mut body = WatchedBody::new(body, activity.begin());
        tokio::time::sleep(SHORT * 2).await;
        assert!(matches!(judge.judge(), Judgement::Fine(_)), "nothing was handed out yet");
        body.frame().await.expect("a frame").expect("no error");
        assert!(matches!(judge.judge(), Judgement::Fine(_)));
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(judge.judge(), Judgement::Unread);
        assert!(body.frame().await.is_none());
        assert!(matches!(judge.judge(), Judgement::Fine(_)), "more was asked for");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (client, server) = tokio::io::duplex(16);
        let mut server = WatchedIo::new(server, Activity::new(), SHORT, ());
        server.write_all(&[0; 16]).await.expect("there is room");
        let error = server.write_all(&[0; 16]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(client);
    }
}
