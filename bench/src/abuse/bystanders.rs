//! The clients who do nothing wrong: what they are answered, and how soon.

use std::time::{Duration, Instant};

use petwalker_kernel::RideId;
use tokio::time::MissedTickBehavior;

use crate::prepare::now;
use crate::socket::{Socket, frame};
use crate::walks::Walk;

/// Time between two requests of one client: not more than an account may read in the long run.
const PACE: Duration = Duration::from_millis(30);
/// How long a client waits for an answer before it counts as cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// A tutor who looks at a ride, a stranger who says hello, a walker whose phone sends points.
pub(super) struct Bystanders {
    url: String,
    ride: RideId,
    walker: String,
    tutor: String,
    http: reqwest::Client,
    /// The number of the next point.
    next: std::sync::atomic::AtomicU32,
}

/// What they noticed.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    /// How long each answer took, ascending.
    latencies: Vec<Duration>,
    /// Answers other than success.
    pub(super) refused: usize,
    /// Requests without an answer.
    pub(super) cut: usize,
}

impl Noticed {
    /// Answers that were as they should be.
    pub(super) const fn answers(&self) -> usize {
        self.latencies.len()
    }

    /// The latency that this share of the answers did not exceed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or(PATIENCE)
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
        self.cut += other.cut;
    }
}

impl Bystanders {
    pub(super) fn new(url: &str, walk: &Walk) -> anyhow::Result<Self> {
        Ok(Self {
            url: url.to_owned(),
            ride: walk.ride,
            walker: walk.walker.clone(),
            tutor: walk.tutor.clone(),
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
            next: 1.into(),
        })
    }

    /// Has them all at work for `length`.
    pub(super) async fn notice(&self, length: Duration) -> anyhow::Result<Noticed> {
        let hello = self.requests("/v1/hello".to_owned(), None, length);
        let read = self.requests(format!("/v1/rides/{}", self.ride), Some(&self.tutor), length);
        let (hello, read, frames) = tokio::join!(hello, read, self.frames(length));
        let mut all = hello;
        all.add(read);
        all.add(frames?);
        all.latencies.sort_unstable();
        Ok(all)
    }

    async fn requests(&self, path: String, token: Option<&str>, length: Duration) -> Noticed {
        let mut noticed = Noticed::default();
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = Instant::now() + length;
        while Instant::now() < end {
            pace.tick().await;
            let mut request = self.http.get(format!("{}{path}", self.url));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let begun = Instant::now();
            match request.send().await {
                Ok(answer) if answer.status().is_success() => match answer.bytes().await {
                    Ok(_) => noticed.latencies.push(begun.elapsed()),
                    Err(_) => noticed.cut += 1,
                },
                Ok(_) => noticed.refused += 1,
                Err(_) => noticed.cut += 1,
            }
        }
        noticed
    }

    /// Opens the walk's socket anew, which takes a request of its own, and sends a point at a time.
    async fn frames(&self, length: Duration) -> anyhow::Result<Noticed> {
        let mut noticed = Noticed::default();
        let end = Instant::now() + length;
        let opening = Socket::open(&self.url, self.ride, "track", &self.walker);
        let Ok(Ok(mut socket)) = tokio::time::timeout(PATIENCE, opening).await else {
            noticed.cut += 1;
            return Ok(noticed);
        };
        let start_ms = now().get() - 600_000;
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            pace.tick().await;
            let seq = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let begun = Instant::now();
            socket.send(frame(seq, 1, start_ms)?).await?;
            match tokio::time::timeout(PATIENCE, socket.next()).await {
                Ok(Ok(answer)) if answer.windows(6).take(24).any(|word| word == b"stored") => {
                    noticed.latencies.push(begun.elapsed());
                }
                Ok(Ok(_)) => noticed.refused += 1,
                _ => {
                    noticed.cut += 1;
                    break;
                }
            }
        }
        Ok(noticed)
    }
}
