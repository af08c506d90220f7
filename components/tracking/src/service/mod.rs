//! Storing points and reading routes.

mod fences;
mod marks;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use petwalker_kernel::{AccountId, Millis, Moment, RideId, UtcMillis};
use petwalker_store::{Sql, SqlError, transaction};

pub use self::fences::{Crossed, Report, approach, expect, set_fences};
pub use self::marks::{marks_of, put_mark, remove_mark};
use self::told::{News, erased, tell};
pub use self::told::{SETTLED_MAX, Settled, key_of, settle, settle_due, take_over, told_in};
use crate::domain::{
    CHANGES_MAX, Precision, Progress, Route, ToldMark, TooMuch, TrackPoint, Window, analyse_within, precision,
};
use crate::sql::{self, Track};

/// Points of one batch.
pub const BATCH_MAX: usize = 1_000;

/// Tracks told at once, so that writers do not wait long for their erasure.
pub const EXPIRED_MAX: u32 = 100;

/// Points of one ride, sent together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The ride.
    pub ride: RideId,
    /// The points, in any order.
    pub points: Vec<TrackPoint>,
    /// Whether somebody is watching.
    pub watched: bool,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// What is known of the track now.
    pub progress: Progress,
    /// The points that were new, in the order in which they came.
    pub fresh: Vec<TrackPoint>,
    /// Points that were there.
    pub duplicates: u32,
    /// What the device should do next.
    pub next: Precision,
    /// The newest events that tell of the track, in order.
    pub told: Vec<ToldMark>,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: String,
        /// What is allowed.
        message: String,
    },
    /// There are as many as there may be.
    #[error("{0}")]
    LimitReached(String),
    /// The id is none.
    #[error("there is no such ride")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl From<TooMuch> for Refusal {
    fn from(too_much: TooMuch) -> Self {
        Self::Invalid { field: "points".to_owned(), message: too_much.to_string() }
    }
}

/// Stores batches in one transaction. Each is stored whole or not at all, whatever becomes of the others. `published` is the
/// last event that is known to be on every replica of the stream.
///
/// # Errors
/// When the database fails; then nothing is stored.
pub fn ingest(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    batches: &[Batch],
    published: Option<u64>,
) -> Result<Vec<Result<Receipt, Refusal>>, Refusal> {
    transaction(sql, |sql| {
        let mut tracks = BTreeMap::new();
        let mut receipts = Vec::with_capacity(batches.len());
        for batch in batches {
            receipts.push(match add(sql, moment, &mut tracks, batch, published) {
                Err(Refusal::Sql(error)) => return Err(error.into()),
                outcome => outcome,
            });
        }
        for (ride, (track, changed)) in tracks {
            if changed {
                sql::keep(sql, moment.now, ride, track)?;
            }
        }
        Ok(receipts)
    })
}

/// Adds a batch to its track, which is read once however many batches it gets.
fn add(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    tracks: &mut BTreeMap<RideId, (Track, bool)>,
    batch: &Batch,
    published: Option<u64>,
) -> Result<Receipt, Refusal> {
    if batch.points.len() > BATCH_MAX {
        return Err(Refusal::Invalid {
            field: "points".to_owned(),
            message: format!("may be {BATCH_MAX} in a batch"),
        });
    }
    let (track, changed) = match tracks.entry(batch.ride) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert((sql::track(sql, batch.ride)?.unwrap_or_default(), false)),
    };
    let mut grown = track.clone();
    if let Some(window) = &mut grown.progress.window {
        window.extend(moment.now);
    }
    grown.told.forget_before(published.unwrap_or_default());
    let added = grown.progress.add(&mut grown.tail, &batch.points)?;
    if !added.fresh.is_empty() {
        grown.lack(moment.now);
    }
    fences::announce(sql, moment, batch.ride, grown.progress.fences.crossings().len(), &added.crossings)?;
    if !added.full.is_empty() || !added.crossings.is_empty() {
        // One event, however many chunks: whoever reads it and no further has all of the track up to it.
        let news = News { chunks: added.full.clone(), ..News::default() };
        tell(sql, moment, batch.ride, &mut grown, news)?;
    }
    for (number, chunk) in added.full {
        sql::keep_chunk(sql, batch.ride, number, chunk)?;
    }
    *changed |= !added.fresh.is_empty();
    *track = grown;
    let duplicates = batch.points.len() - added.fresh.len();
    Ok(Receipt {
        progress: track.progress.clone(),
        fresh: added.fresh,
        duplicates: u32::try_from(duplicates).unwrap_or(u32::MAX),
        next: precision(track.progress.live.as_ref(), &track.progress.fences, batch.watched),
        told: track.told.marks().to_vec(),
    })
}

/// What is known of a ride's track.
///
/// # Errors
/// When the database fails.
pub fn progress(sql: &impl Sql, ride: RideId) -> Result<Progress, Refusal> {
    Ok(sql::track(sql, ride)?.unwrap_or_default().progress)
}

/// The points of a ride after the first `cursor` ones, in the order of arrival.
///
/// # Errors
/// When the database fails.
pub fn points_after(sql: &impl Sql, ride: RideId, cursor: u32) -> Result<Vec<TrackPoint>, Refusal> {
    Ok(sql::points(sql, ride, cursor)?)
}

/// The route of a ride so far, of the points that were taken in its time.
///
/// # Errors
/// When the database fails.
pub fn route(sql: &impl Sql, ride: RideId) -> Result<Route, Refusal> {
    // The points first: the window then holds all of them.
    let points = sql::points(sql, ride, 0)?;
    Ok(analyse_within(points, progress(sql, ride)?.window))
}

/// The walk has started: from here on only points of its time count, give or take `skew`. Told again, it changes nothing.
///
/// # Errors
/// When the database fails.
pub fn begin(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    started_at: UtcMillis,
    skew: Millis,
) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        let mut track = sql::track(sql, ride)?.unwrap_or_default();
        if track.progress.window.is_some() {
            return Ok(());
        }
        track.progress.window = Some(Window::of(started_at, skew));
        tell(sql, moment, ride, &mut track, News::default())?;
        Ok(sql::keep(sql, moment.now, ride, track)?)
    })
}

/// Counts a change of marks or fences, of which a walk may have so many.
fn count_change(progress: &mut Progress) -> Result<(), Refusal> {
    progress.changes += 1;
    if progress.changes > CHANGES_MAX {
        return Err(Refusal::LimitReached(format!(
            "marks and fences of a walk may be changed {CHANGES_MAX} times"
        )));
    }
    Ok(())
}

/// Erases all of a ride's track. False: there was none.
///
/// # Errors
/// When the database fails.
pub fn erase(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId) -> Result<bool, Refusal> {
    transaction(sql, |sql| {
        erased(sql, moment, ride)?;
        Ok(sql::erase(sql, ride)?)
    })
}

/// The rides whose tracks were touched last longer ago than `age`, the oldest first, at most [`EXPIRED_MAX`].
///
/// # Errors
/// When the database fails.
pub fn expired(sql: &impl Sql, now: UtcMillis, age: Millis) -> Result<Vec<RideId>, Refusal> {
    let before = now.plus(Millis::new(-age.get()));
    Ok(sql::older_than(sql, before, EXPIRED_MAX)?)
}

/// Has a track count as expired, so that it is erased with the next timer.
///
/// # Errors
/// When the database fails.
pub fn expire(sql: &impl Sql, ride: RideId) -> Result<(), Refusal> {
    Ok(sql::expire(sql, ride)?)
}

/// The rides of a tutor that have tracks, at most [`EXPIRED_MAX`].
///
/// # Errors
/// When the database fails.
pub fn tracks_of(sql: &impl Sql, tutor: AccountId) -> Result<Vec<RideId>, Refusal> {
    Ok(sql::tracks_of(sql, tutor, EXPIRED_MAX)?)
}
