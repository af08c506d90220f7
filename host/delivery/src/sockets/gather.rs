//! Frames of many sockets, handed to the component together.
//!
//! While one batch is on its way the next gathers, so a busy node makes large transactions and an idle one waits for
//! nothing but the gathering time. A batch that takes the component down is halved until the frame at fault is alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::format::Packed;
use super::hub::{Hub, Item};
use super::wire::{Answers, Frame, Frames};
use crate::internal::{Internal, InternalError};

/// Frames in one batch, and bytes.
const FRAMES_MAX: usize = 1_024;
const BYTES_MAX: usize = 4 << 20;
/// Frames that wait for a batch. More than these stay with the clients that send them.
pub(super) const WAITING_MAX: usize = 4_096;

/// A frame on its way.
pub(super) struct Pending {
    pub key: Arc<str>,
    pub context: Bytes,
    pub body: Bytes,
    /// Gets the message to the client.
    pub answer: oneshot::Sender<Packed>,
}

/// Hands frames to the component.
pub(super) struct Gatherer {
    pub internal: Internal,
    /// The internal path that takes frames.
    pub path: String,
    pub hub: Arc<Hub>,
    /// How long the first frame of a batch waits for others.
    pub gather: Duration,
}

impl Gatherer {
    /// Runs until nobody can send frames any more.
    pub(super) async fn run(self, mut frames: mpsc::Receiver<Pending>) {
        while let Some(first) = frames.recv().await {
            let mut bytes = first.body.len();
            let mut batch = vec![first];
            let deadline = tokio::time::Instant::now() + self.gather;
            while batch.len() < FRAMES_MAX && bytes < BYTES_MAX {
                match tokio::time::timeout_at(deadline, frames.recv()).await {
                    Ok(Some(frame)) => {
                        bytes += frame.body.len();
                        batch.push(frame);
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            metrics::histogram!("socket_batch_frames").record(len_f64(batch.len()));
            self.deliver(batch).await;
        }
    }

    async fn deliver(&self, batch: Vec<Pending>) {
        let mut work = vec![batch];
        while let Some(mut batch) = work.pop() {
            let watched: Vec<bool> = batch.iter().map(|frame| self.hub.is_watched(&frame.key)).collect();
            match self.post(&batch, &watched).await {
                Ok(answers) => self.answer(batch, &watched, answers),
                Err(error @ InternalError::Call(_)) if batch.len() > 1 => {
                    tracing::warn!(%error, frames = batch.len(), "a batch of frames failed; trying its halves");
                    let half = batch.split_off(batch.len() / 2);
                    work.extend([half, batch]);
                }
                Err(error) => {
                    tracing::warn!(%error, frames = batch.len(), "frames were not taken");
                    for frame in batch {
                        let sorry = "the frame could not be taken; send it again";
                        // A client that has gone needs no answer.
                        drop(frame.answer.send(Packed::refusal("unavailable", sorry)));
                    }
                }
            }
        }
    }

    async fn post(&self, batch: &[Pending], watched: &[bool]) -> Result<Answers, InternalError> {
        let frames = batch.iter().zip(watched).map(|(frame, watched)| Frame {
            key: &frame.key,
            context: &frame.context,
            watched: *watched,
            body: &frame.body,
        });
        let answers: Answers = self.internal.ask(&self.path, &Frames { frames: frames.collect() }).await?;
        if answers.answers.len() == batch.len() {
            Ok(answers)
        } else {
            Err(InternalError::Answer {
                path: self.path.clone(),
                reason: "an answer for each frame".to_owned(),
            })
        }
    }

    fn answer(&self, batch: Vec<Pending>, watched: &[bool], answers: Answers) {
        for ((frame, watched), answer) in batch.into_iter().zip(watched).zip(answers.answers) {
            drop(frame.answer.send(Packed::new(answer.body.into_vec())));
            if let Some(news) = answer.news {
                let body = Packed::new(news.body.into_vec());
                let item = Item { from: news.from, to: news.to, body, whole: news.whole, over: news.over };
                self.hub.publish(&frame.key, item);
            } else if !watched {
                // Somebody may have begun to watch meanwhile.
                self.hub.changed(&frame.key);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "few")]
fn len_f64(len: usize) -> f64 {
    len as f64
}
