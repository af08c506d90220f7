//! What is new of a walk, for those who watch it: over sockets, as a stream of events, or by asking again and again.

use std::time::Duration;

use async_graphql::SimpleObject;
use serde::Serialize;
use spin_sdk::wasip3::clocks::monotonic_clock;
use utoipa::ToSchema;

use super::bindings::petwalker::identity::accounts::{Caller, CallerRole};
use super::bindings::petwalker::matching::rides::{self, Ride, RideState};
use super::bindings::petwalker::tracking::routes::{
    self, Approach, Circle, FenceState, LiveFigures, Progress, TrackPoint,
};
use super::ops::Outcome;
use super::problem::Problem;

/// Points told at once; who is farther behind asks again.
const POINTS_TOLD: u32 = 1_000;
/// How long an answer may wait, and how long a stream of events lasts before its client connects again.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// Between two looks at the database, where nobody says that something changed.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// What is new of a walk since a cursor.
#[derive(Clone, Debug, Serialize, ToSchema, SimpleObject)]
pub struct LiveMessage {
    /// Always `live`.
    #[serde(rename = "type")]
    #[graphql(skip)]
    kind: &'static str,
    /// The ride.
    ride_id: String,
    /// Points stored up to here: pass it as `since` to hear what comes after.
    pub cursor: u64,
    /// The ride's state.
    pub state: RideState,
    /// The points since, in the order in which they came, at most 1000. A walker is not told those around the pickup once
    /// the ride is over.
    points: Vec<TrackPoint>,
    /// The walk so far; none before the first good point.
    figures: Option<LiveFigures>,
    /// The walker's way to the pets, from acceptance to the start, where the walker tells it.
    approach: Option<Approach>,
    /// The fences, and on which side of them the walker is.
    fences: Vec<FenceState>,
    /// Marks on the route: where there are more than before, read them.
    marks: u32,
}

impl LiveMessage {
    /// Once the ride is over nobody is told where the walker is.
    pub fn new(
        ride_id: String,
        cursor: u64,
        state: RideState,
        points: Vec<TrackPoint>,
        progress: Progress,
    ) -> Self {
        let (mut figures, mut fences, marks) = (progress.live, progress.fences, progress.marks);
        if is_over(state) {
            fences.clear();
            if let Some(figures) = &mut figures {
                figures.place = None;
            }
        }
        let approach = progress.approach.filter(|_| is_on_the_way(state));
        Self { kind: "live", ride_id, cursor, state, points, figures, approach, fences, marks }
    }

    /// Whether nothing will be new after this, for a reader that read from `since`.
    pub const fn over(&self, since: u64) -> bool {
        is_over(self.state) && self.cursor - since < POINTS_TOLD as u64
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

/// Around the pickup, which is a home, the walker is shown nothing once the ride is over: metres.
const HOME_RADIUS_M: f64 = 150.0;

/// What a caller is not to see of a ride once that is over.
pub fn home(caller: &Caller, ride: &Ride) -> Option<Circle> {
    let centre = ride.pickup.filter(|_| caller.role == CallerRole::Walker)?;
    Some(Circle { centre, radius_m: HOME_RADIUS_M })
}

/// Whether a walker has taken the ride and the walk has not begun.
pub const fn is_on_the_way(state: RideState) -> bool {
    matches!(state, RideState::Accepted | RideState::Arrived)
}

/// Whether the walk is under way.
pub const fn is_under_way(state: RideState) -> bool {
    matches!(state, RideState::Started | RideState::Paused)
}

/// How a ride stands, without its points so far.
pub fn now(ride_id: &str, state: RideState) -> Outcome<LiveMessage> {
    let progress = routes::progress_of(ride_id, true)?;
    let cursor = progress.cursor.into();
    Ok(LiveMessage::new(ride_id.to_owned(), cursor, state, Vec::new(), progress))
}

/// What is new of a ride since a cursor, without what is in `home` once the ride is over.
pub fn since(ride_id: &str, cursor: u64, home: Option<Circle>) -> Outcome<LiveMessage> {
    let status = rides::statuses(&[ride_id.to_owned()])?.pop().flatten();
    let status = status.ok_or_else(|| Problem::new("not-found", "there is no such ride"))?;
    let hidden = home.filter(|_| is_over(status.state));
    let from = u32::try_from(cursor)
        .map_err(|_| Problem::new("invalid", "must be a cursor that was told before").at("since"))?;
    let read = routes::points_after(ride_id, from, POINTS_TOLD, hidden)?;
    let progress = routes::progress_of(ride_id, true)?;
    Ok(LiveMessage::new(ride_id.to_owned(), read.cursor.into(), status.state, read.points, progress))
}

/// A reader that goes on from where it was.
#[derive(Clone)]
pub struct Feed {
    ride_id: String,
    cursor: u64,
    /// Not to be seen once the ride is over.
    home: Option<Circle>,
    /// The state told last.
    state: Option<RideState>,
    left: Duration,
}

/// What a reader found.
pub struct Look {
    /// What is new since it looked last.
    pub message: LiveMessage,
    /// Whether that is anything.
    pub news: bool,
    /// Whether nothing will ever be new again.
    pub last: bool,
}

impl Feed {
    /// Reads a ride from a cursor for at most `left`. The first look tells the ride's state, which is news.
    pub const fn new(ride_id: String, cursor: u64, home: Option<Circle>, left: Duration) -> Self {
        Self { ride_id, cursor, home, state: None, left }
    }

    /// Looks once.
    pub fn look(&mut self) -> Outcome<Look> {
        let since = self.cursor;
        let message = self::since(&self.ride_id, since, self.home)?;
        let last = message.over(since);
        let news = last || message.cursor > since || self.state != Some(message.state);
        self.cursor = message.cursor;
        self.state = Some(message.state);
        Ok(Look { message, news, last })
    }

    /// Lets a moment pass. False: the time is over.
    pub async fn pause(&mut self) -> bool {
        let pause = LOOK_EVERY.min(self.left);
        if pause.is_zero() {
            return false;
        }
        self.left -= pause;
        monotonic_clock::wait_for(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX)).await;
        true
    }

    /// Waits for something new. None: the time is over.
    pub async fn next(&mut self) -> Outcome<Option<Look>> {
        loop {
            let look = self.look()?;
            if look.news {
                return Ok(Some(look));
            }
            if !self.pause().await {
                return Ok(None);
            }
        }
    }
}

/// A message as an event of `text/event-stream`, whose id is the cursor to go on from.
pub fn event(message: &LiveMessage) -> Vec<u8> {
    let data = serde_json::to_string(message).unwrap_or_default();
    format!("id: {}\nevent: live\ndata: {data}\n\n", message.cursor).into_bytes()
}
