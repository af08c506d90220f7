//! Statements over `tracks` and `track_chunks`.

pub mod marks;

use petwalker_kernel::{AccountId, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{CHUNK_POINTS, Progress, Told, TrackPoint, decode};

/// A track but for its full chunks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// What is known of it.
    pub progress: Progress,
    /// The bytes of the chunk being filled.
    pub tail: Vec<u8>,
    /// Whose walk it is; none where it is not told in events.
    pub keeper: Option<Keeper>,
    /// How much of it the events hold.
    pub told: Told,
    /// When it was changed last.
    pub touched_at: UtcMillis,
}

impl Track {
    /// Something came that no event holds yet, where the track is told in events at all.
    pub fn lack(&mut self, now: UtcMillis) {
        if self.keeper.is_some() {
            self.told.lack(now);
        }
    }
}

/// Whose walk a track is of, and what its part of the events is sealed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Keeper {
    /// The tutor.
    pub tutor_id: AccountId,
    /// The track's own key, derived from the tutor's.
    pub key: SealKey,
}

/// The track of a ride, where a point of it has come.
///
/// # Errors
/// When the database fails.
pub fn track(sql: &impl Sql, ride: RideId) -> Result<Option<Track>, SqlError> {
    let row = sql.first(
        "SELECT progress, tail, tutor_id, coalesce(seal_key, x''), touched_at_ms, told_bytes, \
         untold_since_ms, told_in FROM tracks WHERE ride_id = ?1",
        &[Value::display(&ride)],
    )?;
    row.map(|row| {
        let progress = rmp_serde::from_slice(row.blob(0)?).map_err(|e| stored(ride, &e))?;
        let tutor_id = row.opt_text(2)?.map(str::parse).transpose().map_err(|e| stored(ride, &e))?;
        let keeper = tutor_id.zip(SealKey::from_slice(row.blob(3)?));
        let keeper = keeper.map(|(tutor_id, key)| Keeper { tutor_id, key });
        let touched_at = UtcMillis::new(row.int(4)?);
        Ok(Track { progress, tail: row.blob(1)?.to_vec(), keeper, told: told(ride, &row)?, touched_at })
    })
    .transpose()
}

fn told(ride: RideId, row: &Row) -> Result<Told, SqlError> {
    let since = row.opt_int(6)?.map(UtcMillis::new);
    let marks = match row.blob(7)? {
        [] => Vec::new(),
        marks => rmp_serde::from_slice(marks).map_err(|e| stored(ride, &e))?,
    };
    Ok(Told::new(row.uint(5)?, since, marks))
}

/// When a track was changed last that has [`expire`]d: before any that is kept.
pub const EXPIRED: UtcMillis = UtcMillis::new(0);

/// Keeps a track. One that has [`expire`]d stays so.
///
/// # Errors
/// When the database fails.
pub fn keep(sql: &impl Sql, now: UtcMillis, ride: RideId, track: Track) -> Result<(), SqlError> {
    let progress = rmp_serde::to_vec(&track.progress).map_err(|e| stored(ride, &e))?;
    let told_in = rmp_serde::to_vec(track.told.marks()).map_err(|e| stored(ride, &e))?;
    sql.execute(
        "INSERT INTO tracks (ride_id, progress, tail, touched_at_ms, tutor_id, seal_key, told_bytes, \
         untold_since_ms, told_in) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (ride_id) DO UPDATE SET progress = excluded.progress, tail = excluded.tail, \
         touched_at_ms = iif(touched_at_ms = ?10, touched_at_ms, excluded.touched_at_ms), tutor_id = excluded.tutor_id, seal_key = excluded.seal_key, \
         told_bytes = excluded.told_bytes, untold_since_ms = excluded.untold_since_ms, told_in = excluded.told_in",
        &[
            Value::display(&ride),
            Value::Blob(progress),
            Value::Blob(track.tail),
            now.into(),
            track.keeper.as_ref().map(|keeper| keeper.tutor_id.to_string()).into(),
            track.keeper.as_ref().map(|keeper| keeper.key.as_bytes().as_slice()).into(),
            Value::Integer(i64::try_from(track.told.bytes()).unwrap_or(i64::MAX)),
            track.told.lacking_since().into(),
            Value::Blob(told_in),
            EXPIRED.into(),
        ],
    )
    .map(drop)
}

/// Rides of whose tracks the events have lacked something since a moment or longer, the longest first.
///
/// # Errors
/// When the database fails.
pub fn lacking(sql: &impl Sql, since: UtcMillis, limit: u32) -> Result<Vec<RideId>, SqlError> {
    let rows = sql.query(
        "SELECT ride_id FROM tracks WHERE untold_since_ms <= ?1 ORDER BY untold_since_ms LIMIT ?2",
        &[since.into(), limit.into()],
    )?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Takes a track off the ones that the events lack something of: what is stored of it cannot be read, so nothing can be told.
///
/// # Errors
/// When the database fails.
pub fn give_up(sql: &impl Sql, ride: RideId) -> Result<(), SqlError> {
    sql.execute("UPDATE tracks SET untold_since_ms = NULL WHERE ride_id = ?1", &[Value::display(&ride)])
        .map(drop)
}

/// Keeps a full chunk.
///
/// # Errors
/// When the database fails.
pub fn keep_chunk(sql: &impl Sql, ride: RideId, number: u32, points: Vec<u8>) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO track_chunks (ride_id, number, points) VALUES (?1, ?2, ?3)",
        &[Value::display(&ride), Value::Integer(number.into()), Value::Blob(points)],
    )
    .map(drop)
}

/// The points of a ride after the first `cursor` ones, in the order of arrival.
///
/// # Errors
/// When the database fails.
pub fn points(sql: &impl Sql, ride: RideId, cursor: u32) -> Result<Vec<TrackPoint>, SqlError> {
    // One statement, so that a chunk that fills meanwhile is neither missed nor read twice.
    let rows = sql.query(
        "SELECT points, number AS place FROM track_chunks WHERE ride_id = ?1 AND number >= ?2 \
         UNION ALL SELECT tail, 1000000 FROM tracks WHERE ride_id = ?1 \
         AND ?2 <= (SELECT count(*) FROM track_chunks WHERE ride_id = ?1) ORDER BY place",
        &[Value::display(&ride), Value::Integer((cursor / CHUNK_POINTS).into())],
    )?;
    let mut points = Vec::new();
    for row in rows {
        points.extend(decode(row.blob(0)?).map_err(|e| stored(ride, &e))?);
    }
    // Chunks before the cursor were left out whole.
    let passed = (cursor % CHUNK_POINTS) as usize;
    Ok(points.split_off(passed.min(points.len())))
}

/// Removes all of a ride's track, its marks too. False: there was none.
///
/// # Errors
/// When the database fails.
pub fn erase(sql: &impl Sql, ride: RideId) -> Result<bool, SqlError> {
    marks::erase(sql, ride)?;
    sql.execute("DELETE FROM track_chunks WHERE ride_id = ?1", &[Value::display(&ride)])?;
    Ok(sql.execute("DELETE FROM tracks WHERE ride_id = ?1", &[Value::display(&ride)])? > 0)
}

/// Rides whose tracks were touched last before a moment, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn older_than(sql: &impl Sql, before: UtcMillis, limit: u32) -> Result<Vec<RideId>, SqlError> {
    let rows = sql.query(
        "SELECT ride_id FROM tracks WHERE touched_at_ms < ?1 ORDER BY touched_at_ms LIMIT ?2",
        &[before.into(), limit.into()],
    )?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Makes a track older than any that is kept, for good.
///
/// # Errors
/// When the database fails.
pub fn expire(sql: &impl Sql, ride: RideId) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE tracks SET touched_at_ms = ?2 WHERE ride_id = ?1",
        &[Value::display(&ride), EXPIRED.into()],
    )
    .map(drop)
}

/// The rides of a tutor that have tracks.
///
/// # Errors
/// When the database fails.
pub fn tracks_of(sql: &impl Sql, tutor: AccountId, limit: u32) -> Result<Vec<RideId>, SqlError> {
    let rows = sql.query(
        "SELECT ride_id FROM tracks WHERE tutor_id = ?1 LIMIT ?2",
        &[Value::display(&tutor), limit.into()],
    )?;
    rows.iter().map(|row| row.parse(0)).collect()
}

fn stored(ride: RideId, error: &dyn std::error::Error) -> SqlError {
    SqlError::Stored(format!("track of ride {ride}: {error}"))
}
