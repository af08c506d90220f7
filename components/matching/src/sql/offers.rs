//! `offers`.

use petwalker_kernel::{AccountId, OfferId, RideId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::Offered;

/// An offer that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOffer {
    /// Its id.
    pub id: OfferId,
    /// The ride.
    pub ride_id: RideId,
    /// When it ends.
    pub expires_at: UtcMillis,
    /// Metres from the walker to the middle of the ride's cell, in steps of 500.
    pub distance_m: u32,
}

fn read(row: &Row) -> Result<OpenOffer, SqlError> {
    Ok(OpenOffer {
        id: row.parse(0)?,
        ride_id: row.parse(1)?,
        expires_at: UtcMillis::new(row.int(2)?),
        distance_m: row.uint(3)?,
    })
}

/// Adds the offers of a wave.
///
/// # Errors
/// When the database fails.
pub fn insert(sql: &impl Sql, ride_id: RideId, offers: &[Offered], until: UtcMillis) -> Result<(), SqlError> {
    for offer in offers {
        sql.execute(
            "INSERT INTO offers (id, ride_id, walker_id, state, expires_at_ms, distance_m) \
             VALUES (?1, ?2, ?3, 'open', ?4, ?5)",
            &[
                Value::display(&offer.id),
                Value::display(&ride_id),
                Value::display(&offer.walker_id),
                until.into(),
                offer.distance_m.into(),
            ],
        )?;
    }
    Ok(())
}

/// Ends a ride's open offers in `state`.
///
/// # Errors
/// When the database fails.
pub fn close_open(sql: &impl Sql, ride_id: RideId, state: &str) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE offers SET state = ?2 WHERE ride_id = ?1 AND state = 'open'",
        &[Value::display(&ride_id), state.into()],
    )?;
    Ok(())
}

/// Ends one walker's offer of a ride in `state`.
///
/// # Errors
/// When the database fails.
pub fn close_one(sql: &impl Sql, ride_id: RideId, walker: AccountId, state: &str) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE offers SET state = ?3 WHERE ride_id = ?1 AND walker_id = ?2",
        &[Value::display(&ride_id), Value::display(&walker), state.into()],
    )?;
    Ok(())
}

/// The state and end of a walker's offer of a ride.
///
/// # Errors
/// When the database fails.
pub fn state(
    sql: &impl Sql,
    ride_id: RideId,
    walker: AccountId,
) -> Result<Option<(String, UtcMillis)>, SqlError> {
    let row = sql.first(
        "SELECT state, expires_at_ms FROM offers WHERE ride_id = ?1 AND walker_id = ?2",
        &[Value::display(&ride_id), Value::display(&walker)],
    )?;
    row.map(|row| Ok((row.text(0)?.to_owned(), UtcMillis::new(row.int(1)?)))).transpose()
}

/// How many offers of a ride are open.
///
/// # Errors
/// When the database fails.
pub fn open_count(sql: &impl Sql, ride_id: RideId) -> Result<u32, SqlError> {
    let row = sql.first(
        "SELECT count(*) FROM offers WHERE ride_id = ?1 AND state = 'open'",
        &[Value::display(&ride_id)],
    )?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// A walker's open offers, soonest end first.
///
/// # Errors
/// When the database fails.
pub fn open_for(sql: &impl Sql, walker: AccountId, now: UtcMillis) -> Result<Vec<OpenOffer>, SqlError> {
    let rows = sql.query(
        "SELECT id, ride_id, expires_at_ms, distance_m FROM offers \
         WHERE walker_id = ?1 AND state = 'open' AND expires_at_ms > ?2 ORDER BY expires_at_ms LIMIT 50",
        &[Value::display(&walker), now.into()],
    )?;
    rows.iter().map(read).collect()
}

/// A walker's offer of a ride, while it is open.
///
/// # Errors
/// When the database fails.
pub fn open_one(
    sql: &impl Sql,
    ride_id: RideId,
    walker: AccountId,
    now: UtcMillis,
) -> Result<Option<OpenOffer>, SqlError> {
    let row = sql.first(
        "SELECT id, ride_id, expires_at_ms, distance_m FROM offers \
         WHERE ride_id = ?1 AND walker_id = ?2 AND state = 'open' AND expires_at_ms > ?3",
        &[Value::display(&ride_id), Value::display(&walker), now.into()],
    )?;
    row.as_ref().map(read).transpose()
}
