//! What is new of a walk, for those who watch it: over sockets, as a stream of events, or by asking again and again.

use std::time::Duration;

use serde::Serialize;
use spin_sdk::wasip3::clocks::monotonic_clock;
use utoipa::ToSchema;

use super::bindings::petwalker::matching::rides::{self, RideState};
use super::bindings::petwalker::tracking::routes::{self, LiveFigures, TrackPoint};
use super::ops::Outcome;
use super::problem::Problem;

/// Points told at once; who is farther behind asks again.
const POINTS_TOLD: u32 = 1_000;
/// How long an answer may wait, and how long a stream of events lasts before its client connects again.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// Between two looks at the database, where nobody says that something changed.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// What is new of a walk since a cursor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveMessage {
    /// Always `live`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The ride.
    ride_id: String,
    /// Points stored up to here: pass it as `since` to hear what comes after.
    pub cursor: u64,
    /// The ride's state.
    state: RideState,
    /// The points since, in the order in which they came, at most 1000.
    points: Vec<TrackPoint>,
    /// The walk so far; none before the first good point.
    figures: Option<LiveFigures>,
}

impl LiveMessage {
    pub const fn new(
        ride_id: String,
        cursor: u64,
        state: RideState,
        points: Vec<TrackPoint>,
        figures: Option<LiveFigures>,
    ) -> Self {
        Self { kind: "live", ride_id, cursor, state, points, figures }
    }

    /// Whether it tells no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The ride's state.
    pub const fn state(&self) -> RideState {
        self.state
    }

    /// Whether nothing will be new after this.
    pub fn over(&self) -> bool {
        is_over(self.state) && self.points.len() < POINTS_TOLD as usize
    }
}

/// Whether nothing more will happen to a ride in that state.
pub const fn is_over(state: RideState) -> bool {
    matches!(
        state,
        RideState::Completed
            | RideState::Interrupted
            | RideState::Cancelled
            | RideState::Expired
            | RideState::NoShow
    )
}

/// What is new of a ride since a cursor.
pub fn since(ride_id: &str, cursor: u64) -> Outcome<LiveMessage> {
    let status = rides::statuses(&[ride_id.to_owned()])?.pop().flatten();
    let status = status.ok_or_else(|| Problem::new("not-found", "there is no such ride"))?;
    let points = routes::points_after(ride_id, u32::try_from(cursor).unwrap_or(u32::MAX), POINTS_TOLD)?;
    let figures = routes::progress_of(ride_id, true)?.live;
    let reached = cursor.saturating_add(points.len() as u64);
    Ok(LiveMessage::new(ride_id.to_owned(), reached, status.state, points, figures))
}

/// A reader that goes on from where it was.
#[derive(Clone)]
pub struct Feed {
    ride_id: String,
    cursor: u64,
    /// The state told last.
    state: Option<RideState>,
    left: Duration,
}

impl Feed {
    /// Reads a ride from a cursor for at most `left`. A state is news where none was told before.
    pub const fn new(ride_id: String, cursor: u64, state: Option<RideState>, left: Duration) -> Self {
        Self { ride_id, cursor, state, left }
    }

    /// Waits for something new. None: the time is over.
    pub async fn next(&mut self) -> Outcome<Option<LiveMessage>> {
        loop {
            let message = since(&self.ride_id, self.cursor)?;
            if !message.points.is_empty() || self.state != Some(message.state) || message.over() {
                self.cursor = message.cursor;
                self.state = Some(message.state);
                return Ok(Some(message));
            }
            if self.left.is_zero() {
                return Ok(None);
            }
            let pause = LOOK_EVERY.min(self.left);
            self.left -= pause;
            monotonic_clock::wait_for(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX)).await;
        }
    }
}

/// A message as an event of `text/event-stream`, whose id is the cursor to go on from.
pub fn event(message: &LiveMessage) -> Vec<u8> {
    let data = serde_json::to_string(message).unwrap_or_default();
    format!("id: {}\nevent: live\ndata: {data}\n\n", message.cursor).into_bytes()
}
