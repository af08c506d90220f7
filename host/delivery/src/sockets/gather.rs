//! Frames of many sockets, handed to the component together.
//!
//! While one batch is on its way the next gathers, so a busy node makes large transactions and an idle one waits for
//! nothing but the gathering time. A batch that is refused as a whole is halved until the frame at fault is alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_runtime::CallError;

use super::format::Packed;
use super::hub::{Hub, Item};
use super::queue::{Queue, Queued};
use super::wire::{Answers, Frame, Frames, News};
use crate::internal::{Internal, InternalError};

/// How long one post may take.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a batch may take, its halves included, and how often a part of it may be refused: then the rest is, too.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
const FAILURES_MAX: u32 = 64;
/// How long a batch waits before it is offered again to a component that answers as many requests as it may.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// Hands frames to the component.
#[derive(Clone)]
pub(super) struct Gatherer {
    pub internal: Internal,
    /// The internal path that takes frames.
    pub path: String,
    pub hub: Arc<Hub>,
    /// How long the first frame of a batch waits for others.
    pub gather: Duration,
    pub queue: Arc<Queue>,
}

impl Gatherer {
    /// Runs until nobody can send frames any more.
    pub(super) async fn run(self) {
        while let Some(batch) = self.queue.next(self.gather).await {
            metrics::histogram!("socket_batch_frames").record(len_f64(batch.len()));
            let _on_its_way = self.queue.delivering().await;
            self.deliver(batch).await;
        }
    }

    async fn deliver(&self, batch: Vec<Queued>) {
        let begun = Instant::now();
        let mut failures = 0;
        let mut work = vec![batch];
        while let Some(mut batch) = work.pop() {
            let watched: Vec<bool> =
                batch.iter().map(|queued| self.hub.is_watched(&queued.frame.key)).collect();
            let error = match self.post(&batch, &watched).await {
                Ok(answers) => {
                    self.answer(batch, &watched, answers);
                    continue;
                }
                Err(error) => error,
            };
            let in_time = begun.elapsed() < DELIVERY_TIMEOUT;
            if in_time && matches!(error, InternalError::Call(CallError::Full(_))) {
                tokio::time::sleep(FULL_PAUSE).await;
                work.push(batch);
                continue;
            }
            failures += 1;
            if in_time && batch.len() > 1 && failures <= FAILURES_MAX {
                tracing::warn!(%error, frames = batch.len(), "a batch of frames was refused; trying its halves");
                let half = batch.split_off(batch.len() / 2);
                work.extend([half, batch]);
            } else {
                metrics::counter!("socket_frames_refused_total").increment(batch.len() as u64);
                tracing::warn!(%error, frames = batch.len(), "frames were not taken");
                batch.into_iter().for_each(|queued| queued.frame.refuse());
            }
        }
    }

    async fn post(&self, batch: &[Queued], watched: &[bool]) -> Result<Answers, InternalError> {
        let frames = batch.iter().zip(watched).map(|(Queued { frame, .. }, watched)| Frame {
            key: &frame.key,
            context: &frame.context,
            watched: *watched,
            body: &frame.body,
        });
        let frames = Frames { frames: frames.collect() };
        let asked = tokio::time::timeout(POST_TIMEOUT, self.internal.ask(&self.path, &frames)).await;
        let not_an_answer =
            |reason: &str| InternalError::Answer { path: self.path.clone(), reason: reason.to_owned() };
        let answers: Answers = asked.map_err(|_| not_an_answer("nothing in time"))??;
        if answers.answers.len() == batch.len() {
            Ok(answers)
        } else {
            Err(not_an_answer("an answer for each frame"))
        }
    }

    fn answer(&self, batch: Vec<Queued>, watched: &[bool], answers: Answers) {
        for ((Queued { frame, .. }, watched), answer) in batch.into_iter().zip(watched).zip(answers.answers) {
            if frame.answer.send(Packed::new(answer.body.into_vec())).is_err() {
                tracing::trace!("a client has gone before its frame was answered");
            }
            if let Some(news) = answer.news {
                let News { from, to, body, whole, over, audience } = news;
                let item = Item { from, to, body: Packed::new(body.into_vec()), whole, over, audience };
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
