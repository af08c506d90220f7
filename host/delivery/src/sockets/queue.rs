//! Frames that wait for a batch: bounded in bytes, and each socket has its turn.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::format::Packed;

/// Frames in one batch.
const FRAMES_MAX: usize = 1_024;
/// Bytes of frames in one batch, where there are several. The component reads twice as much.
const BYTES_MAX: usize = 4 << 20;
/// Bytes of frames that wait, or are on their way and have no answer yet. What is more stays with the clients that send it.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// A frame on its way.
pub(super) struct Pending {
    pub key: Arc<str>,
    pub context: Bytes,
    pub body: Bytes,
    /// Gets the message to the client.
    pub answer: oneshot::Sender<Packed>,
}

impl Pending {
    /// Tells the client that the frame was not taken, and may be sent again.
    pub(super) fn refuse(self) {
        // A client that has gone needs no answer.
        if self.answer.send(unavailable()).is_err() {
            tracing::trace!("a client has gone before its frame was refused");
        }
    }
}

/// That a frame was not taken, and may be sent again.
pub(super) fn unavailable() -> Packed {
    Packed::refusal("unavailable", "the frame could not be taken; send it again")
}

/// A frame in the queue, and the room that it takes there until it is answered.
pub(super) struct Queued {
    pub(super) frame: Pending,
    _room: OwnedSemaphorePermit,
}

/// The frames of all sockets that wait for a batch.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    room: Arc<Semaphore>,
    sockets: AtomicU64,
    /// Held while a batch is on its way.
    delivering: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The frames of each socket that has some, by its number.
    waiting: HashMap<u64, VecDeque<Queued>>,
    /// Those sockets, in the order of their turns.
    turns: VecDeque<u64>,
    frames: usize,
    bytes: usize,
    /// Whether no frame is taken any more.
    closed: bool,
    /// Whether nobody can send frames any more.
    ended: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            room: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
            sockets: AtomicU64::new(0),
            delivering: tokio::sync::Mutex::default(),
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a socket.
    pub(super) fn number(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a frame of a socket, once there is room for it. Where no frame is taken any more, it is refused.
    pub(super) async fn put(&self, socket: u64, frame: Pending) {
        let bytes = u32::try_from(frame.body.len().clamp(1, WAITING_BYTES_MAX)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(bytes).await;
        let Ok(room) = room else { return frame.refuse() };
        let mut state = self.state();
        if state.closed {
            drop(state);
            return frame.refuse();
        }
        state.frames += 1;
        state.bytes += frame.body.len();
        let frames = state.waiting.entry(socket).or_default();
        frames.push_back(Queued { frame, _room: room });
        if frames.len() == 1 {
            state.turns.push_back(socket);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next batch, for which its first frame waits as long as `gather`; none once nobody can send any more.
    pub(super) async fn next(&self, gather: Duration) -> Option<Vec<Queued>> {
        loop {
            {
                let state = self.state();
                if state.frames > 0 {
                    break;
                }
                if state.ended {
                    return None;
                }
            }
            self.filled.notified().await;
        }
        let deadline = Instant::now() + gather;
        while !self.state().is_full()
            && tokio::time::timeout_at(deadline, self.filled.notified()).await.is_ok()
        {}
        Some(self.state().take())
    }

    /// Keeps [`Queue::close`] waiting until it is dropped.
    pub(super) async fn delivering(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.delivering.lock().await
    }

    /// Takes no frame any more: those that wait are refused, and the batch that is on its way is waited for.
    pub(super) async fn close(&self) {
        let left = {
            let mut state = self.state();
            state.closed = true;
            let mut left = Vec::new();
            while state.frames > 0 {
                left.append(&mut state.take());
            }
            left
        };
        left.into_iter().for_each(|queued| queued.frame.refuse());
        drop(self.delivering.lock().await);
    }

    /// Says that nobody can send frames any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }
}

impl State {
    const fn is_full(&self) -> bool {
        self.frames >= FRAMES_MAX || self.bytes >= BYTES_MAX
    }

    /// A batch: of each socket one frame, then of each the next, as long as they fit. Whose turn it would be then is the first
    /// in the next batch.
    fn take(&mut self) -> Vec<Queued> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < FRAMES_MAX
            && let Some(socket) = self.turns.pop_front()
        {
            let Some(frames) = self.waiting.get_mut(&socket) else { continue };
            let length = frames.front().map_or(0, |queued| queued.frame.body.len());
            if !batch.is_empty() && bytes + length > BYTES_MAX {
                self.turns.push_front(socket);
                break;
            }
            bytes += length;
            batch.extend(frames.pop_front());
            if frames.is_empty() {
                self.waiting.remove(&socket);
            } else {
                self.turns.push_back(socket);
            }
        }
        self.frames -= batch.len();
        self.bytes -= bytes;
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Packed, Pending, Queue};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::oneshot;

    const NO_TIME: Duration = Duration::ZERO;

    fn frame(name: &str, bytes: usize) -> (Pending, oneshot::Receiver<Packed>) {
        let (answer, answered) = oneshot::channel();
        let body = vec![0; bytes].into();
        (Pending { key: name.into(), context: bytes::Bytes::new(), body, answer }, answered)
    }

    async fn names(queue: &Queue) -> Vec<String> {
        let batch = queue.next(NO_TIME).await.expect("frames");
        batch.iter().map(|queued| queued.frame.key.to_string()).collect()
    }

    #[tokio::test]
    async fn each_socket_has_its_turn_whatever_the_others_send() {
        let queue = Queue::default();
        let (greedy, modest) = (queue.number(), queue.number());
        for index in 0..8 {
            queue.put(greedy, frame(&format!("greedy {index}"), BYTES_MAX / 4).0).await;
        }
        queue.put(modest, frame("modest 0", 100).0).await;
        queue.put(modest, frame("modest 1", 100).0).await;
        let first = names(&queue).await;
        assert_eq!(first, ["greedy 0", "modest 0", "greedy 1", "modest 1", "greedy 2"]);
        assert_eq!(names(&queue).await, ["greedy 3", "greedy 4", "greedy 5", "greedy 6"]);
        assert_eq!(names(&queue).await, ["greedy 7"]);
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_waits_with_its_client() {
        let queue = Arc::new(Queue::default());
        let socket = queue.number();
        for _ in 0..4 {
            queue.put(socket, frame("room", BYTES_MAX).0).await;
        }
        let (late, answered) = frame("late", 1);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.put(socket, late).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let batch = queue.next(NO_TIME).await.expect("a batch");
        assert_eq!(batch.len(), 1, "no more than fit");
        drop(batch);
        waiting.await.expect("in the queue");
        queue.close().await;
        drop(answered.await.expect("refused"));
        let (after, answered) = frame("after", 1);
        queue.put(socket, after).await;
        drop(answered.await.expect("refused"));
        queue.end();
        assert!(queue.next(NO_TIME).await.is_none());
    }

    #[tokio::test]
    async fn closing_waits_for_the_batch_that_is_on_its_way() {
        let queue = Arc::new(Queue::default());
        let on_its_way = queue.delivering().await;
        let closing = tokio::spawn({
            let queue = queue.clone();
            async move { queue.close().await }
        });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        drop(on_its_way);
        closing.await.expect("closed");
    }
}
