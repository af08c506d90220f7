//! A track in the region's events, so that another edge goes on where this one stopped.
//!
//! `track.kept` holds all that is known of a track and the bytes of it that no event before holds, sealed with a key of this
//! track only: the events together hold each point once. It is written when a chunk is full, a fence is crossed, a mark or a
//! fence changes and the walk ends; and what none of these tell is told when the node asks for it, which it does every second
//! or so and before a region changes hands. Between two of them the points are on the owner's disk alone: a device keeps what
//! it sent until it is told that every replica has it, and sends again what a new owner says it lacks.

use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, MarkId, Millis, Moment, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{NewEvent, OwnersEvent, Region, Sql, SqlError, transaction};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Refusal;
use crate::domain::{Mark, MarkKind, Progress, Told, ToldMark};
use crate::sql::{self, Keeper, Track, marks};

const KEPT: &str = "track.kept";
const ERASED: &str = "track.erased";
/// Version of the facts' schemas. Since 2 an event holds only bytes that none before it does.
const SCHEMA: u32 = 2;
/// Tracks told in one transaction, so that other writers need not wait long.
const TOLD_AT_ONCE: usize = 64;
/// Tracks told by one call.
pub const SETTLED_MAX: u32 = 512;

/// What is new of a track, beside what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// Chunks that are full: their numbers and bytes.
    pub(super) chunks: Vec<(u32, Vec<u8>)>,
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
    /// Bytes of the chunk that was being filled which events before this one hold: what is told goes on after them.
    #[serde(default)]
    from: usize,
    /// The chunk being filled: after `from`, where no chunk was filled meanwhile.
    tail: ByteBuf,
    /// Chunks that were filled, the first of them after `from`.
    #[serde(default)]
    chunks: Vec<(u32, ByteBuf)>,
    /// The one chunk of schema 1.
    #[serde(default)]
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
    let Some(keeper) = &track.keeper else {
        track.told = Told::default();
        return Ok(());
    };
    track.progress.told += 1;
    let mut chunks = news.chunks;
    let mut tail = track.tail.clone();
    // What the events hold already is not told again.
    let going_on = chunks.first_mut().map_or(&mut tail, |(_, chunk)| chunk);
    let from = track.told.bytes().min(going_on.len());
    going_on.drain(..from);
    let sealed = Sealed {
        progress: rmp_serde::to_vec(&track.progress).map_err(stored)?.into(),
        from,
        tail: tail.into(),
        chunks: chunks.into_iter().map(|(number, chunk)| (number, chunk.into())).collect(),
        chunk: None,
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
    let event = append(sql, moment, ride, KEPT, track.progress.told, &facts)?;
    track.told.tell(event, track.progress.seqs.contiguous(), track.tail.len());
    Ok(())
}

/// Appends that a track is erased, where it was told.
pub(super) fn erased(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId) -> Result<(), SqlError> {
    let Some(track) = sql::track(sql, ride)?.filter(|track| track.keeper.is_some()) else { return Ok(()) };
    append(sql, moment, ride, ERASED, track.progress.told + 1, &Erased { ride_id: ride }).map(drop)
}

fn append(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    event_type: &str,
    version: u32,
    facts: &impl Serialize,
) -> Result<u64, SqlError> {
    let region = Region::read(sql)?;
    // A stream of its own: crossings of fences count theirs.
    let stream_id = format!("track/{ride}/kept");
    let event = NewEvent { event_type, stream_id, version, schema: SCHEMA, facts, command: None };
    petwalker_store::append(sql, &region, moment, event)
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

/// What became of tracks that were to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Tracks that were told.
    pub told: u32,
    /// Tracks whose rows cannot be read. They hold up no other, and are not tried again.
    pub unreadable: u32,
    /// Whether there may be more.
    pub more: bool,
}

/// Has the events hold all of every track of which they have lacked something for so long, at most [`SETTLED_MAX`] of them,
/// the longest first. Their events bear the moment at which each track was changed last.
///
/// # Errors
/// When the database fails; some may have been told by then.
pub fn settle_due(sql: &impl Sql, moment: &mut Moment<'_>, lacking: Millis) -> Result<Settled, Refusal> {
    let since = moment.now.plus(Millis::new(-lacking.get()));
    let due = sql::lacking(sql, since, SETTLED_MAX)?;
    let mut settled = Settled { more: due.len() >= SETTLED_MAX as usize, ..Settled::default() };
    for rides in due.chunks(TOLD_AT_ONCE) {
        let (told, unreadable) = transaction(sql, |sql| tell_each(sql, moment, rides))?;
        settled.told += told;
        settled.unreadable += unreadable;
    }
    Ok(settled)
}

/// Tells what the events lack of these tracks; how many were told, and how many cannot be read.
fn tell_each(sql: &impl Sql, moment: &mut Moment<'_>, rides: &[RideId]) -> Result<(u32, u32), Refusal> {
    let (mut told, mut unreadable) = (0, 0);
    for ride in rides {
        let track = match sql::track(sql, *ride) {
            Ok(track) => track,
            Err(SqlError::Stored(_) | SqlError::Shape { .. }) => {
                sql::give_up(sql, *ride)?;
                unreadable += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // Told by somebody else, or erased, since it was found.
        let Some(mut track) = track.filter(|track| track.told.lacking_since().is_some()) else { continue };
        let then = if track.touched_at == sql::EXPIRED { moment.now } else { track.touched_at };
        tell(
            sql,
            &mut Moment { now: then, entropy: &mut *moment.entropy },
            *ride,
            &mut track,
            News::default(),
        )?;
        sql::keep(sql, then, *ride, track)?;
        told += 1;
    }
    Ok((told, unreadable))
}

/// The newest events that tell of a ride's track, in order.
///
/// # Errors
/// When the database fails.
pub fn told_in(sql: &impl Sql, ride: RideId) -> Result<Vec<ToldMark>, Refusal> {
    Ok(sql::track(sql, ride)?.map(|track| track.told.marks().to_vec()).unwrap_or_default())
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
        (KEPT, _) if envelope.schema > SCHEMA => {
            Err(stored(format!("a track told by schema {}: this release knows {SCHEMA}", envelope.schema)))
        }
        (KEPT, Some(tutors)) => {
            let facts: Kept = envelope.facts().map_err(stored)?;
            let keeper = Keeper { tutor_id: facts.tutor_id, key: key_of(facts.ride_id, tutors) };
            let plain = keeper.key.open(&context(facts.ride_id), &facts.sealed).map_err(stored)?;
            let sealed: Sealed = rmp_serde::from_slice(&plain).map_err(stored)?;
            keep(sql, envelope, facts.ride_id, keeper, sealed)
        }
        (ERASED, _) => {
            let facts: Erased = envelope.facts().map_err(stored)?;
            sql::erase(sql, facts.ride_id).map(drop)
        }
        _ => Ok(()),
    }
}

fn keep(
    sql: &impl Sql,
    envelope: &Envelope,
    ride: RideId,
    keeper: Keeper,
    sealed: Sealed,
) -> Result<(), SqlError> {
    let progress: Progress = rmp_serde::from_slice(&sealed.progress).map_err(stored)?;
    // What is here may go beyond what was told so far, where this is the owner's file, or a copy of it.
    let known = sql::track(sql, ride)?.map(|track| track.tail).unwrap_or_default();
    let held = known.get(..sealed.from);
    let held = held
        .ok_or_else(|| stored(format!("bytes of ride {ride}'s track before {} are missing", sealed.from)))?;
    let mut whole = sealed.chunks.into_iter().chain(sealed.chunk);
    let tail = match whole.next() {
        Some((number, rest)) => {
            sql::keep_chunk(sql, ride, number, [held, &rest].concat())?;
            sealed.tail.into_vec()
        }
        None => [held, &sealed.tail].concat(),
    };
    for (number, chunk) in whole {
        sql::keep_chunk(sql, ride, number, chunk.into_vec())?;
    }
    if let Some(mark) = sealed.mark {
        keep_mark(sql, ride, &mark)?;
    }
    if let Some(id) = sealed.removed {
        marks::remove(sql, ride, id)?;
    }
    let touched_at = UtcMillis::new(envelope.at_ms);
    let mark = ToldMark { event: envelope.seq, contiguous: progress.seqs.contiguous() };
    let told = Told::new(tail.len(), None, vec![mark]);
    sql::keep(sql, touched_at, ride, Track { progress, tail, keeper: Some(keeper), told, touched_at })
}

fn keep_mark(sql: &impl Sql, ride: RideId, mark: &SealedMark) -> Result<(), SqlError> {
    let kind = MarkKind::ALL.into_iter().find(|kind| kind.name() == mark.kind);
    let kind = kind.ok_or_else(|| stored("a mark of a kind that is not known"))?;
    let place = petwalker_kernel::GeoPoint::new(mark.lat, mark.lon).map_err(stored)?;
    marks::put(sql, ride, &Mark { id: mark.id, kind, at: mark.at, place })
}

#[cfg(test)]
mod tests;
