//! Statements over `track_points`.

use petwalker_kernel::{GeoPoint, RideId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::TrackPoint;

/// Stores points; those whose number is there already stay as they are. How many were new.
///
/// # Errors
/// When the database fails.
pub fn insert(sql: &impl Sql, ride: RideId, points: &[TrackPoint]) -> Result<u64, SqlError> {
    // One statement for the whole batch: the rows travel as a JSON text.
    let rows: Vec<_> = points
        .iter()
        .map(|p| (p.seq, p.at.get(), p.place.lat(), p.place.lon(), p.accuracy_m, p.elevation_m))
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|e| SqlError::Stored(e.to_string()))?;
    sql.execute(
        "INSERT OR IGNORE INTO track_points (ride_id, seq, at_ms, lat, lon, accuracy_m, elevation_m) \
         SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?2)",
        &[Value::display(&ride), rows.into()],
    )
}

/// All points of a ride.
///
/// # Errors
/// When the database fails.
pub fn points(sql: &impl Sql, ride: RideId) -> Result<Vec<TrackPoint>, SqlError> {
    let rows = sql.query(
        "SELECT seq, at_ms, lat, lon, accuracy_m, elevation_m FROM track_points WHERE ride_id = ?1 ORDER BY seq",
        &[Value::display(&ride)],
    )?;
    rows.iter()
        .map(|row| {
            Ok(TrackPoint {
                seq: row.uint(0)?,
                at: UtcMillis::new(row.int(1)?),
                place: GeoPoint::new(row.real(2)?, row.real(3)?)
                    .map_err(|e| SqlError::Stored(e.to_string()))?,
                accuracy_m: row.real(4)?,
                elevation_m: if row.0.get(5) == Some(&Value::Null) { None } else { Some(row.real(5)?) },
            })
        })
        .collect()
}

/// How many points of a ride are stored.
///
/// # Errors
/// When the database fails.
pub fn count(sql: &impl Sql, ride: RideId) -> Result<u32, SqlError> {
    let row = sql.first("SELECT count(*) FROM track_points WHERE ride_id = ?1", &[Value::display(&ride)])?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// The highest number stored, and the highest up to which none is missing.
///
/// # Errors
/// When the database fails.
pub fn reached(sql: &impl Sql, ride: RideId) -> Result<(u32, u32), SqlError> {
    // Without a gap, the n-th point in order is numbered n; the first one that is not comes after the contiguous part.
    let row = sql.first(
        "SELECT ifnull(max(seq), 0), ifnull(min(CASE WHEN seq <> n THEN n - 1 END), count(*)) FROM \
         (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM track_points WHERE ride_id = ?1)",
        &[Value::display(&ride)],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.uint(0)?, row.uint(1)?)))
}
