//! `pets`, `walkers` and `ratings`.

use petwalker_kernel::{AccountId, PetId, RideId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::{Pet, WalkerDetails, WalkerProfile};

/// Adds a pet.
///
/// # Errors
/// When the database fails.
pub fn insert_pet(sql: &impl Sql, pet: &Pet) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO pets (id, tutor_id, body) VALUES (?1, ?2, ?3)",
        &[Value::display(&pet.id), Value::display(&pet.tutor_id), Value::encode(pet)?],
    )?;
    Ok(())
}

/// The pet of an id.
///
/// # Errors
/// When the database fails.
pub fn pet(sql: &impl Sql, id: PetId) -> Result<Option<Pet>, SqlError> {
    sql.first("SELECT body FROM pets WHERE id = ?1", &[Value::display(&id)])?
        .map(|row| row.decode(0))
        .transpose()
}

/// A tutor's pets, oldest first.
///
/// # Errors
/// When the database fails.
pub fn pets_of(sql: &impl Sql, tutor: AccountId) -> Result<Vec<Pet>, SqlError> {
    let rows = sql.query(
        "SELECT body FROM pets WHERE tutor_id = ?1 ORDER BY id LIMIT 200",
        &[Value::display(&tutor)],
    )?;
    rows.iter().map(|row| row.decode(0)).collect()
}

/// How many pets a tutor has.
///
/// # Errors
/// When the database fails.
pub fn pet_count(sql: &impl Sql, tutor: AccountId) -> Result<u32, SqlError> {
    let row = sql.first("SELECT count(*) FROM pets WHERE tutor_id = ?1", &[Value::display(&tutor)])?;
    row.map_or(Ok(0), |row| row.uint(0))
}

/// Writes a walker's details.
///
/// # Errors
/// When the database fails.
pub fn put_walker(sql: &impl Sql, account: AccountId, details: &WalkerDetails) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO walkers (account_id, body) VALUES (?1, ?2) \
         ON CONFLICT (account_id) DO UPDATE SET body = excluded.body",
        &[Value::display(&account), Value::encode(details)?],
    )?;
    Ok(())
}

/// A walker.
///
/// # Errors
/// When the database fails.
pub fn walker(sql: &impl Sql, account: AccountId) -> Result<Option<WalkerProfile>, SqlError> {
    let row = sql.first(
        "SELECT a.display_name, w.body, w.ratings, \
         CASE w.ratings WHEN 0 THEN 0 ELSE (w.stars_total * 1000 + w.ratings / 2) / w.ratings END \
         FROM walkers w JOIN accounts a ON a.id = w.account_id WHERE w.account_id = ?1",
        &[Value::display(&account)],
    )?;
    row.map(|row| {
        Ok(WalkerProfile {
            account_id: account,
            display_name: row.text(0)?.to_owned(),
            details: row.decode(1)?,
            ratings: row.uint(2)?,
            rating_milli: row.uint(3)?,
        })
    })
    .transpose()
}

/// Adds a rating. False: the ride was rated before.
///
/// # Errors
/// When the database fails.
pub fn insert_rating(
    sql: &impl Sql,
    ride: RideId,
    tutor: AccountId,
    walker: AccountId,
    (stars, comment): (u8, &str),
    now: UtcMillis,
) -> Result<bool, SqlError> {
    let added = sql.execute(
        "INSERT OR IGNORE INTO ratings (ride_id, tutor_id, walker_id, stars, comment, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            Value::display(&ride),
            Value::display(&tutor),
            Value::display(&walker),
            i64::from(stars).into(),
            comment.into(),
            now.into(),
        ],
    )?;
    if added == 1 {
        sql.execute(
            "UPDATE walkers SET stars_total = stars_total + ?2, ratings = ratings + 1 WHERE account_id = ?1",
            &[Value::display(&walker), i64::from(stars).into()],
        )?;
    }
    Ok(added == 1)
}
