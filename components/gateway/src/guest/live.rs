//! What is new of a walk, for those who watch it: over sockets, as a stream of events, or by asking again and again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use async_graphql::SimpleObject;
use serde::Serialize;
use spin_sdk::wasip3::clocks::monotonic_clock;
use utoipa::ToSchema;

use super::bindings::petwalker::identity::accounts::{Caller, CallerRole};
use super::bindings::petwalker::identity::profiles::Position;
use super::bindings::petwalker::matching::rides::{self, Ride, RideState};
use super::bindings::petwalker::tracking::routes::{
    self, Approach, Circle, FenceState, LiveFigures, Progress, TrackPoint,
};
use super::ops::Outcome;
use super::problem::Problem;
use super::waits::Known;

/// Points told at once; who is farther behind asks again.
const POINTS_TOLD: u32 = 1_000;
/// How long an answer may wait.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// How long a stream of events lasts before its client connects again.
pub const STREAM_MAX: Duration = Duration::from_secs(600);
/// The same for both where this component waits, since it is occupied meanwhile and cannot count who else waits.
pub const WAIT_HERE_MAX: Duration = Duration::from_secs(10);
/// Pages of points in one answer to the node; where there are more, it asks again.
const PAGES_MAX: usize = 16;
/// What a stream of events begins with: clients that lose it, or come to its end, are to come back after 3 s.
pub const RETRY: &str = "retry: 3000\n\n";
/// What the id of the last event of a stream ends with.
const OVER: &str = "-over";
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

    /// What a reader of this message knows.
    pub fn known(&self) -> Known {
        let state = serde_json::to_value(self.state).ok();
        let state = state.and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default();
        let rest = (&self.figures, &self.approach, &self.fences, self.marks);
        let mut digest = DefaultHasher::new();
        serde_json::to_vec(&rest).unwrap_or_default().hash(&mut digest);
        Known { cursor: self.cursor, state, digest: digest.finish() }
    }

    /// Whether there may be more to tell already, for a reader that read from `since`.
    const fn more(&self, since: u64) -> bool {
        self.cursor - since >= POINTS_TOLD as u64
    }

    /// Whether nothing will be new after this, for a reader that read from `since`.
    pub const fn over(&self, since: u64) -> bool {
        is_over(self.state) && !self.more(since)
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

/// A circle that holds every place on Earth.
const EVERYWHERE: Circle = Circle { centre: Position { lat: 0.0, lon: 0.0 }, radius_m: 3e7 };

/// What a caller is not to see of a ride once that is over. Where the pickup is not known any more, a walker is not to see
/// anything: nobody could tell what is around it.
pub fn home(caller: &Caller, ride: &Ride) -> Option<Circle> {
    if caller.role != CallerRole::Walker {
        return None;
    }
    let around = |centre| Circle { centre, radius_m: HOME_RADIUS_M };
    Some(ride.pickup.map_or(EVERYWHERE, around))
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

/// What is new of a ride since a cursor, without what is in `home` once the ride is over; and its walker, of whom depends
/// who may be told it.
pub fn since(ride_id: &str, cursor: u64, home: Option<Circle>) -> Outcome<(LiveMessage, Option<String>)> {
    let status = rides::statuses(&[ride_id.to_owned()])?.pop().flatten();
    let status = status.ok_or_else(|| Problem::new("not-found", "there is no such ride"))?;
    let hidden = home.filter(|_| is_over(status.state));
    let from = u32::try_from(cursor)
        .map_err(|_| Problem::new("invalid", "must be a cursor that was told before").at("since"))?;
    let read = routes::points_after(ride_id, from, POINTS_TOLD, hidden)?;
    let progress = routes::progress_of(ride_id, true)?;
    let message =
        LiveMessage::new(ride_id.to_owned(), read.cursor.into(), status.state, read.points, progress);
    Ok((message, status.walker_id))
}

/// The same for a caller, who is refused what is not theirs to see, and who the ride's walker is; also where the walker
/// changes while it is read.
pub fn since_for(caller: &Caller, ride_id: &str, cursor: u64) -> Outcome<(LiveMessage, Option<String>)> {
    let ride = super::ops::ride(caller, ride_id)?;
    let (message, walker) = since(ride_id, cursor, home(caller, &ride))?;
    if walker != ride.walker_id {
        super::ops::ride(caller, ride_id)?;
    }
    Ok((message, walker))
}

/// A reader that goes on from where it was, as long as the ride is its caller's to see.
#[derive(Clone)]
pub struct Feed {
    caller: Caller,
    ride_id: String,
    cursor: u64,
    /// Not to be seen once the ride is over.
    home: Option<Circle>,
    /// The walker whom the ride had when it was last asked whether the caller may see it.
    walker: Option<String>,
    /// What was told last.
    known: Option<Known>,
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
    /// Reads a ride that the caller may see from a cursor for at most `left`. The first look tells the ride's state, which is
    /// news.
    pub fn new(caller: Caller, ride: Ride, cursor: u64, left: Duration) -> Self {
        let home = home(&caller, &ride);
        Self { caller, ride_id: ride.id, cursor, home, walker: ride.walker_id, known: None, left }
    }

    /// Goes on from what was known of a ride that the caller may see.
    pub fn from(caller: Caller, ride: Ride, known: Known) -> Self {
        let feed = Self::new(caller, ride, known.cursor, Duration::ZERO);
        Self { known: Some(known), ..feed }
    }

    /// Looks once. Where the ride has another walker than before, whether the caller may see it is asked again.
    pub fn look(&mut self) -> Outcome<Look> {
        let since = self.cursor;
        let (message, walker) = self::since(&self.ride_id, since, self.home)?;
        if walker != self.walker {
            let ride = super::ops::ride(&self.caller, &self.ride_id)?;
            (self.home, self.walker) = (home(&self.caller, &ride), ride.walker_id);
        }
        let last = message.over(since);
        let known = message.known();
        let news = last || self.known.as_ref() != Some(&known);
        self.cursor = message.cursor;
        self.known = Some(known);
        Ok(Look { message, news, last })
    }

    /// Everything that is new by now, as events; then what is known, or none where nothing will ever be new again. True:
    /// there is more.
    pub fn events(&mut self) -> Outcome<(String, Option<Known>, bool)> {
        let mut events = String::new();
        for _ in 0..PAGES_MAX {
            let since = self.cursor;
            let look = self.look()?;
            if look.news {
                events.push_str(&event(&look.message));
            }
            if look.last {
                events.push_str(&over_event(look.message.cursor));
                return Ok((events, None, false));
            }
            if !look.message.more(since) {
                return Ok((events, self.known.clone(), false));
            }
        }
        Ok((events, self.known.clone(), true))
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
pub fn event(message: &LiveMessage) -> String {
    let data = serde_json::to_string(message).unwrap_or_default();
    format!("id: {}\nevent: live\ndata: {data}\n\n", message.cursor)
}

/// The last event of a stream. A client that names its id has been told everything.
pub fn over_event(cursor: u64) -> String {
    format!("id: {cursor}{OVER}\nevent: over\ndata:\n\n")
}

/// The cursor in an event's id, and whether that was the last event.
pub fn event_id(id: &str) -> Option<(u64, bool)> {
    let cursor = id.strip_suffix(OVER);
    Some((cursor.unwrap_or(id).parse().ok()?, cursor.is_some()))
}
