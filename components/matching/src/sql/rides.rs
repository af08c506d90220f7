//! `rides` and `ride_details`.

use std::collections::BTreeMap;

use petwalker_kernel::{AccountId, GeoPoint, RideId, UtcMillis};
use petwalker_seal::{NONCE_BYTES, SealKey};
use petwalker_store::{Row, Sql, SqlError, Value};
use serde::{Deserialize, Serialize};

use crate::domain::Ride;

/// What events do not carry of a ride.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// Where the pets are fetched.
    pub pickup: GeoPoint,
    /// For the walker.
    pub notes: String,
    /// Four digits.
    pub pin: String,
    /// How often the walker who is committed to the ride tried a wrong one. The next one begins anew.
    pub pin_failures: u32,
}

/// The details as they are sealed into an event.
#[derive(Serialize, Deserialize)]
struct Sealed {
    lat: f64,
    lon: f64,
    notes: String,
    pin: String,
}

impl Details {
    /// Seals them for the event of their ride.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn seal(&self, key: &SealKey, nonce: [u8; NONCE_BYTES], id: RideId) -> Result<Vec<u8>, SqlError> {
        let (lat, lon) = (self.pickup.lat(), self.pickup.lon());
        let sealed = Sealed { lat, lon, notes: self.notes.clone(), pin: self.pin.clone() };
        let plain = rmp_serde::to_vec_named(&sealed).map_err(|e| SqlError::Stored(e.to_string()))?;
        Ok(key.seal(nonce, &context(id), &plain))
    }

    /// Reads what was sealed for the event of their ride.
    ///
    /// # Errors
    /// When it was sealed with another key or for another ride.
    pub fn open(key: &SealKey, sealed: &[u8], id: RideId) -> Result<Self, SqlError> {
        let stored = |e: &dyn std::error::Error| SqlError::Stored(format!("details of ride {id}: {e}"));
        let plain = key.open(&context(id), sealed).map_err(|e| stored(&e))?;
        let Sealed { lat, lon, notes, pin } = rmp_serde::from_slice(&plain).map_err(|e| stored(&e))?;
        let pickup = GeoPoint::new(lat, lon).map_err(|e| stored(&e))?;
        Ok(Self { pickup, notes, pin, pin_failures: 0 })
    }
}

fn context(id: RideId) -> String {
    format!("ride/{id}")
}

/// Seals a PIN for the event of its ride.
#[must_use]
pub fn seal_pin(key: &SealKey, nonce: [u8; NONCE_BYTES], id: RideId, pin: &str) -> Vec<u8> {
    key.seal(nonce, &pin_context(id), pin.as_bytes())
}

/// Reads a PIN that was sealed for the event of its ride.
///
/// # Errors
/// When it was sealed with another key or for another ride.
pub fn open_pin(key: &SealKey, sealed: &[u8], id: RideId) -> Result<String, SqlError> {
    let stored = |e: &dyn std::error::Error| SqlError::Stored(format!("PIN of ride {id}: {e}"));
    let plain = key.open(&pin_context(id), sealed).map_err(|e| stored(&e))?;
    String::from_utf8(plain).map_err(|e| stored(&e))
}

fn pin_context(id: RideId) -> String {
    format!("ride/{id}/pin")
}

/// The ride of that id.
///
/// # Errors
/// When the database fails.
pub fn find(sql: &impl Sql, id: RideId) -> Result<Option<Ride>, SqlError> {
    let row = sql.first("SELECT body FROM rides WHERE id = ?1", &[Value::display(&id)])?;
    row.map(|row| row.decode(0)).transpose()
}

/// A ride with what events do not carry of it; that is none once it was erased.
pub type Detailed = (Ride, Option<Details>);

/// The ride of that id with its details.
///
/// # Errors
/// When the database fails.
pub fn find_detailed(sql: &impl Sql, id: RideId) -> Result<Option<Detailed>, SqlError> {
    let row = sql.first(
        "SELECT body, lat, lon, notes, pin, pin_failures FROM rides \
         LEFT JOIN ride_details ON ride_id = id WHERE id = ?1",
        &[Value::display(&id)],
    )?;
    row.as_ref().map(read_detailed).transpose()
}

fn read_detailed(row: &Row) -> Result<Detailed, SqlError> {
    let ride = row.decode(0)?;
    let Some(pin) = row.opt_text(4)? else { return Ok((ride, None)) };
    let pickup = GeoPoint::new(row.real(1)?, row.real(2)?).map_err(|e| SqlError::Stored(e.to_string()))?;
    let details =
        Details { pickup, notes: row.text(3)?.to_owned(), pin: pin.to_owned(), pin_failures: row.uint(5)? };
    Ok((ride, Some(details)))
}

/// How a ride stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The name of its state.
    pub state: String,
    /// Who asked for it.
    pub tutor_id: String,
    /// The walker, once one accepted.
    pub walker_id: Option<String>,
}

/// How the rides of those ids stand.
///
/// # Errors
/// When the database fails.
pub fn statuses(sql: &impl Sql, ids: &[RideId]) -> Result<BTreeMap<RideId, Status>, SqlError> {
    let ids = serde_json::to_string(ids).map_err(|e| SqlError::Stored(e.to_string()))?;
    let rows =
        sql.query("SELECT rides.id, state, walker_id, tutor_id FROM json_each(?1) AS wanted JOIN rides ON rides.id = wanted.value", &[ids.into()])?;
    rows.iter()
        .map(|row| {
            let walker_id = row.opt_text(2)?.map(str::to_owned);
            let (state, tutor_id) = (row.text(1)?.to_owned(), row.text(3)?.to_owned());
            Ok((row.parse(0)?, Status { state, tutor_id, walker_id }))
        })
        .collect()
}

/// The ride that used a quote.
///
/// # Errors
/// When the database fails.
pub fn quote_is_used(sql: &impl Sql, quote_id: &impl std::fmt::Display) -> Result<bool, SqlError> {
    Ok(sql.first("SELECT 1 FROM rides WHERE quote_id = ?1", &[Value::display(quote_id)])?.is_some())
}

/// Writes the projection of a ride.
///
/// # Errors
/// When the database fails.
pub fn save(sql: &impl Sql, ride: &Ride) -> Result<(), SqlError> {
    let pets = u32::try_from(ride.order.pets.len()).unwrap_or(u32::MAX);
    sql.execute(
        "INSERT INTO rides (id, tutor_id, walker_id, quote_id, state, version, pets, cell, due_at_ms, body, ended_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO UPDATE SET \
         walker_id = excluded.walker_id, state = excluded.state, version = excluded.version, \
         due_at_ms = excluded.due_at_ms, body = excluded.body, ended_at_ms = excluded.ended_at_ms",
        &[
            Value::display(&ride.order.id),
            Value::display(&ride.order.tutor_id),
            ride.commitment().map(|by| by.walker_id.to_string()).into(),
            Value::display(&ride.order.quote_id),
            ride.state.name().into(),
            ride.version.into(),
            pets.into(),
            ride.order.cell.as_str().into(),
            ride.due_at().map(UtcMillis::get).into(),
            Value::encode(ride)?,
            ride.ended_at().map(UtcMillis::get).into(),
        ],
    )?;
    Ok(())
}

/// The rides of a tutor or walker, newest first.
///
/// # Errors
/// When the database fails.
pub fn page(
    sql: &impl Sql,
    account: AccountId,
    walker: bool,
    before: Option<RideId>,
    limit: u32,
) -> Result<Vec<Detailed>, SqlError> {
    // Ids are ordered by time; '~' sorts after every one of them.
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let statement = if walker {
        "SELECT body, lat, lon, notes, pin, pin_failures FROM rides LEFT JOIN ride_details ON ride_id = id \
         WHERE walker_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    } else {
        "SELECT body, lat, lon, notes, pin, pin_failures FROM rides LEFT JOIN ride_details ON ride_id = id \
         WHERE tutor_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    };
    let rows = sql.query(statement, &[Value::display(&account), before.into(), limit.into()])?;
    rows.iter().map(read_detailed).collect()
}

/// All rides, newest first, for operators.
///
/// # Errors
/// When the database fails.
pub fn page_all(sql: &impl Sql, before: Option<RideId>, limit: u32) -> Result<Vec<Detailed>, SqlError> {
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows = sql.query(
        "SELECT body, lat, lon, notes, pin, pin_failures FROM rides LEFT JOIN ride_details ON ride_id = id \
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        &[before.into(), limit.into()],
    )?;
    rows.iter().map(read_detailed).collect()
}

/// The rides that a walker has accepted and not ended.
///
/// # Errors
/// When the database fails.
pub fn held_by(sql: &impl Sql, walker: AccountId) -> Result<Vec<Ride>, SqlError> {
    let rows = sql.query(
        "SELECT body FROM rides WHERE walker_id = ?1 AND state IN ('accepted', 'arrived', 'started', 'paused')",
        &[Value::display(&walker)],
    )?;
    rows.iter().map(|row| row.decode(0)).collect()
}

/// The rides of a tutor that are not over.
///
/// # Errors
/// When the database fails.
pub fn open_of(sql: &impl Sql, tutor: AccountId) -> Result<Vec<Ride>, SqlError> {
    let rows = sql.query(
        "SELECT body FROM rides WHERE tutor_id = ?1 \
         AND state IN ('requested', 'offered', 'accepted', 'arrived', 'started', 'paused')",
        &[Value::display(&tutor)],
    )?;
    rows.iter().map(|row| row.decode(0)).collect()
}

/// Writes what events do not carry.
///
/// # Errors
/// When the database fails.
pub fn insert_details(sql: &impl Sql, id: RideId, details: &Details) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO ride_details (ride_id, lat, lon, notes, pin) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            Value::display(&id),
            details.pickup.lat().into(),
            details.pickup.lon().into(),
            details.notes.as_str().into(),
            details.pin.as_str().into(),
        ],
    )?;
    Ok(())
}

/// Counts a wrong PIN.
///
/// # Errors
/// When the database fails.
pub fn count_pin_failure(sql: &impl Sql, id: RideId) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE ride_details SET pin_failures = pin_failures + 1 WHERE ride_id = ?1",
        &[Value::display(&id)],
    )?;
    Ok(())
}

/// Forgets wrong PINs: another walker is committed to the ride, or none any more.
///
/// # Errors
/// When the database fails.
pub fn forget_pin_failures(sql: &impl Sql, id: RideId) -> Result<(), SqlError> {
    sql.execute("UPDATE ride_details SET pin_failures = 0 WHERE ride_id = ?1", &[Value::display(&id)])?;
    Ok(())
}

/// Writes another PIN, of which none was tried yet.
///
/// # Errors
/// When the database fails.
pub fn set_pin(sql: &impl Sql, id: RideId, pin: &str) -> Result<(), SqlError> {
    sql.execute(
        "UPDATE ride_details SET pin = ?2, pin_failures = 0 WHERE ride_id = ?1",
        &[Value::display(&id), pin.into()],
    )?;
    Ok(())
}
