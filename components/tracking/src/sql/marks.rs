//! Statements over `track_marks`.

use petwalker_kernel::{GeoPoint, MarkId, RideId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{Mark, MarkKind};

/// The marks of a ride in the order of time.
///
/// # Errors
/// When the database fails.
pub fn all(sql: &impl Sql, ride: RideId) -> Result<Vec<Mark>, SqlError> {
    let rows = sql.query(
        "SELECT id, kind, at_ms, lat, lon FROM track_marks WHERE ride_id = ?1 ORDER BY at_ms, id",
        &[Value::display(&ride)],
    )?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Mark, SqlError> {
    let name = row.text(1)?;
    let stored = |what: &str| SqlError::Stored(format!("mark {what}"));
    Ok(Mark {
        id: row.parse(0)?,
        kind: MarkKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| stored("kind"))?,
        at: UtcMillis::new(row.int(2)?),
        place: GeoPoint::new(row.real(3)?, row.real(4)?).map_err(|_| stored("place"))?,
    })
}

/// Writes a mark, in the place of the one with its id.
///
/// # Errors
/// When the database fails.
pub fn put(sql: &impl Sql, ride: RideId, mark: &Mark) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO track_marks (ride_id, id, kind, at_ms, lat, lon) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (ride_id, id) DO UPDATE SET kind = excluded.kind, at_ms = excluded.at_ms, \
         lat = excluded.lat, lon = excluded.lon",
        &[
            Value::display(&ride),
            Value::display(&mark.id),
            Value::display(&mark.kind.name()),
            mark.at.into(),
            Value::Real(mark.place.lat()),
            Value::Real(mark.place.lon()),
        ],
    )
    .map(drop)
}

/// Removes a mark. False: there was none.
///
/// # Errors
/// When the database fails.
pub fn remove(sql: &impl Sql, ride: RideId, id: MarkId) -> Result<bool, SqlError> {
    let gone = sql.execute(
        "DELETE FROM track_marks WHERE ride_id = ?1 AND id = ?2",
        &[Value::display(&ride), Value::display(&id)],
    )?;
    Ok(gone > 0)
}

/// A mark of a ride.
///
/// # Errors
/// When the database fails.
pub fn get(sql: &impl Sql, ride: RideId, id: MarkId) -> Result<Option<Mark>, SqlError> {
    let row = sql.first(
        "SELECT id, kind, at_ms, lat, lon FROM track_marks WHERE ride_id = ?1 AND id = ?2",
        &[Value::display(&ride), Value::display(&id)],
    )?;
    row.as_ref().map(read).transpose()
}

/// How many marks of the kind photo a ride has.
///
/// # Errors
/// When the database fails.
pub fn photos(sql: &impl Sql, ride: RideId) -> Result<u32, SqlError> {
    let row = sql.first(
        "SELECT count(*) FROM track_marks WHERE ride_id = ?1 AND kind = 'photo'",
        &[Value::display(&ride)],
    )?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// How many marks a ride has.
///
/// # Errors
/// When the database fails.
pub fn count(sql: &impl Sql, ride: RideId) -> Result<u32, SqlError> {
    let row = sql.first("SELECT count(*) FROM track_marks WHERE ride_id = ?1", &[Value::display(&ride)])?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// Removes the marks of a ride.
///
/// # Errors
/// When the database fails.
pub fn erase(sql: &impl Sql, ride: RideId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM track_marks WHERE ride_id = ?1", &[Value::display(&ride)]).map(drop)
}
