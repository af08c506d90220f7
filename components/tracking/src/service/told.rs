//! A track in the region's events, so that another edge goes on where this one stopped.
//!
//! `track.kept` is written whenever a chunk is full, a mark or a fence changes, and when the walk ends. It holds all that is
//! known of the track and what was new, sealed with a key of this track only. Between two of them the points are on the
//! owner's disk alone: a device keeps what it sent until the walk has ended, and sends again what a new owner says it
//! lacks.

use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, MarkId, Moment, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{NewEvent, OwnersEvent, Region, Sql, SqlError, transaction};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Refusal;
use crate::domain::{Mark, MarkKind, Progress};
use crate::sql::{self, Keeper, Track, marks};

const KEPT: &str = "track.kept";
const ERASED: &str = "track.erased";
/// Version of the facts' schemas.
const SCHEMA: u32 = 1;

/// What is new of a track, beside what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// A chunk that is full: its number and bytes.
    pub(super) chunk: Option<(u32, Vec<u8>)>,
    /// A mark that was written.
    pub(super) mark: Option<Mark>,
    /// A mark that was removed.
    pub(super) removed: Option<MarkId>,
}

/// The facts of `track.kept`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    ride_id: RideId,
    /// Whose key opens it.
    tutor_id: AccountId,
    sealed: ByteBuf,
}

/// What is sealed in it.
#[derive(Serialize, Deserialize)]
struct Sealed {
    progress: ByteBuf,
    tail: ByteBuf,
    chunk: Option<(u32, ByteBuf)>,
    mark: Option<SealedMark>,
    removed: Option<MarkId>,
}

#[derive(Serialize, Deserialize)]
struct SealedMark {
    id: MarkId,
    kind: String,
    at: UtcMillis,
    lat: f64,
    lon: f64,
}

/// The facts of `track.erased`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Erased {
    ride_id: RideId,
}

fn stored(error: impl std::fmt::Display) -> SqlError {
    SqlError::Stored(error.to_string())
}

fn context(ride: RideId) -> String {
    format!("track/{ride}")
}

/// Appends an event with all that is known of the track, inside the caller's transaction, where it has a keeper.
pub(super) fn tell(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    track: &mut Track,
    news: News,
) -> Result<(), SqlError> {
    let Some(keeper) = &track.keeper else { return Ok(()) };
    track.progress.told += 1;
    let sealed = Sealed {
        progress: rmp_serde::to_vec(&track.progress).map_err(stored)?.into(),
        tail: track.tail.clone().into(),
        chunk: news.chunk.map(|(number, chunk)| (number, chunk.into())),
        mark: news.mark.map(|mark| SealedMark {
            id: mark.id,
            kind: mark.kind.name().to_owned(),
            at: mark.at,
            lat: mark.place.lat(),
            lon: mark.place.lon(),
        }),
        removed: news.removed,
    };
    let plain = rmp_serde::to_vec_named(&sealed).map_err(stored)?;
    let sealed = keeper.key.seal(moment.bytes(), &context(ride), &plain).into();
    let facts = Kept { ride_id: ride, tutor_id: keeper.tutor_id, sealed };
    append(sql, moment, ride, KEPT, track.progress.told, &facts)
}

/// Appends that a track is erased, where it was told.
pub(super) fn erased(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId) -> Result<(), SqlError> {
    let Some(track) = sql::track(sql, ride)?.filter(|track| track.keeper.is_some()) else { return Ok(()) };
    append(sql, moment, ride, ERASED, track.progress.told + 1, &Erased { ride_id: ride })
}

fn append(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    event_type: &str,
    version: u32,
    facts: &impl Serialize,
) -> Result<(), SqlError> {
    let region = Region::read(sql)?;
    // A stream of its own: crossings of fences count theirs.
    let stream_id = format!("track/{ride}/kept");
    let event = NewEvent { event_type, stream_id, version, schema: SCHEMA, facts, command: None };
    petwalker_store::append(sql, &region, moment, event).map(drop)
}

/// Has the events hold all of the track so far, the chunk that is not full included.
///
/// # Errors
/// When the database fails.
pub fn settle(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        let Some(mut track) = sql::track(sql, ride)? else { return Ok(()) };
        tell(sql, moment, ride, &mut track, News::default())?;
        Ok(sql::keep(sql, moment.now, ride, track)?)
    })
}

/// The track's own key.
#[must_use]
pub fn key_of(ride: RideId, tutors: &SealKey) -> SealKey {
    tutors.derive(&context(ride))
}

/// Takes over events and makes the rows of tracks, in one transaction; the sequence number of the last event there is then.
///
/// # Errors
/// When an event was not written after the last one here, or the database fails.
pub fn take_over(sql: &impl Sql, events: Vec<OwnersEvent>) -> Result<u64, Refusal> {
    petwalker_store::take_over(sql, events, |sql, envelope, tutors| Ok(make_rows(sql, envelope, tutors)?))
}

fn make_rows(sql: &impl Sql, envelope: &Envelope, tutors: Option<&SealKey>) -> Result<(), SqlError> {
    match (envelope.event_type.as_str(), tutors) {
        (KEPT, Some(tutors)) => {
            let facts: Kept = envelope.facts().map_err(stored)?;
            let keeper = Keeper { tutor_id: facts.tutor_id, key: key_of(facts.ride_id, tutors) };
            let plain = keeper.key.open(&context(facts.ride_id), &facts.sealed).map_err(stored)?;
            let sealed: Sealed = rmp_serde::from_slice(&plain).map_err(stored)?;
            keep(sql, UtcMillis::new(envelope.at_ms), facts.ride_id, keeper, sealed)
        }
        (ERASED, _) => {
            let facts: Erased = envelope.facts().map_err(stored)?;
            sql::erase(sql, facts.ride_id).map(drop)
        }
        _ => Ok(()),
    }
}

fn keep(sql: &impl Sql, at: UtcMillis, ride: RideId, keeper: Keeper, sealed: Sealed) -> Result<(), SqlError> {
    let progress: Progress = rmp_serde::from_slice(&sealed.progress).map_err(stored)?;
    if let Some((number, chunk)) = sealed.chunk {
        sql::keep_chunk(sql, ride, number, chunk.into_vec())?;
    }
    if let Some(mark) = sealed.mark {
        let kind = MarkKind::ALL.into_iter().find(|kind| kind.name() == mark.kind);
        let kind = kind.ok_or_else(|| stored("a mark of a kind that is not known"))?;
        let place = petwalker_kernel::GeoPoint::new(mark.lat, mark.lon).map_err(stored)?;
        marks::put(sql, ride, &Mark { id: mark.id, kind, at: mark.at, place })?;
    }
    if let Some(id) = sealed.removed {
        marks::remove(sql, ride, id)?;
    }
    sql::keep(sql, at, ride, Track { progress, tail: sealed.tail.into_vec(), keeper: Some(keeper) })
}
