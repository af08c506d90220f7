//! A socket whose client sends frames and gets an answer for each, in order.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use tokio::sync::oneshot;

use super::connection::{Connection, End};
use super::format::{Format, Packed};
use super::queue::{Pending, Queue, unavailable};

/// Frames of one socket on their way. A client that sends more waits, which its TCP connection tells it.
const UNANSWERED_MAX: usize = 8;

/// What a sending socket is about.
pub(super) struct Sender {
    pub key: Arc<str>,
    pub context: Bytes,
    pub format: Format,
    pub frames: Arc<Queue>,
    /// The socket's number in the queue.
    pub number: u64,
}

impl Sender {
    /// Takes frames until the socket ends; why it does.
    pub(super) async fn run(&self, connection: &mut Connection) -> End {
        let mut unanswered = FuturesOrdered::new();
        loop {
            let message = tokio::select! {
                biased;
                Some(answer) = unanswered.next(), if !unanswered.is_empty() => {
                    if let Err(end) = self.tell(connection, answer).await {
                        return end;
                    }
                    continue;
                }
                message = connection.next(), if unanswered.len() < UNANSWERED_MAX => message,
            };
            let message = match message {
                Ok(message) => message,
                Err(end) => {
                    // What was taken is answered before the socket ends, so that nothing is sent twice.
                    while let Some(answer) = unanswered.next().await {
                        if self.tell(connection, answer).await.is_err() {
                            break;
                        }
                    }
                    return end;
                }
            };
            let (answer, answered) = oneshot::channel();
            unanswered.push_back(answered);
            match self.format.read(message) {
                Ok(body) => {
                    let pending =
                        Pending { key: self.key.clone(), context: self.context.clone(), body, answer };
                    self.frames.put(self.number, pending).await;
                }
                Err(unreadable) => {
                    let refusal = Packed::refusal("malformed", &unreadable.to_string());
                    if answer.send(refusal).is_err() {
                        return End::Unavailable;
                    }
                }
            }
        }
    }

    async fn tell(
        &self,
        connection: &mut Connection,
        answer: Result<Packed, oneshot::error::RecvError>,
    ) -> Result<(), End> {
        // A frame is dropped unanswered where the task failed that had it in its hands.
        let answer = answer.unwrap_or_else(|_| unavailable());
        connection.send(answer.message(self.format).ok_or(End::Unavailable)?).await
    }
}
