//! `presence`.

use petwalker_kernel::{AccountId, Cell, GeoPoint, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};

use crate::domain::{Candidate, WalkerCard};

/// Characters of the stored geohash: cells of about 150 m.
pub const CELL_CHARACTERS: usize = 7;

/// A walker's presence.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Who.
    pub walker_id: AccountId,
    /// Where.
    pub place: GeoPoint,
    /// Mean rating in thousandths of a star.
    pub rating_milli: u32,
    /// Pets walked at once.
    pub capacity: u32,
    /// Sizes accepted, as bits.
    pub sizes: u8,
    /// The rest.
    pub card: WalkerCard,
}

/// Writes a walker's presence.
///
/// # Errors
/// When the database fails.
pub fn put(sql: &impl Sql, presence: &Presence, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "INSERT OR REPLACE INTO presence \
         (walker_id, lat, lon, cell, rating_milli, capacity, sizes, card, seen_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            Value::display(&presence.walker_id),
            presence.place.lat().into(),
            presence.place.lon().into(),
            presence.place.cell(CELL_CHARACTERS).as_str().into(),
            presence.rating_milli.into(),
            presence.capacity.into(),
            i64::from(presence.sizes).into(),
            Value::encode(&presence.card)?,
            now.into(),
        ],
    )?;
    Ok(())
}

/// Removes a walker's presence.
///
/// # Errors
/// When the database fails.
pub fn remove(sql: &impl Sql, walker: AccountId) -> Result<(), SqlError> {
    sql.execute("DELETE FROM presence WHERE walker_id = ?1", &[Value::display(&walker)])?;
    Ok(())
}

/// The time zone of a present walker.
///
/// # Errors
/// When the database fails.
pub fn card(sql: &impl Sql, walker: AccountId) -> Result<Option<WalkerCard>, SqlError> {
    let row = sql.first("SELECT card FROM presence WHERE walker_id = ?1", &[Value::display(&walker)])?;
    row.map(|row| row.decode(0)).transpose()
}

/// Nine ranges of cells as one statement: the ranges come first, so that each is a walk along the index rather than all of
/// them a walk over the table. Distances are compared on a plane scaled at the place, exact enough to pick rows; callers
/// measure properly.
macro_rules! in_nine_cells {
    ($columns:literal, $filter:literal) => {
        concat!(
            "WITH around (low, high) AS (VALUES (?3, ?4), (?5, ?6), (?7, ?8), (?9, ?10), (?11, ?12), (?13, ?14), ",
            "(?15, ?16), (?17, ?18), (?19, ?20)) SELECT ",
            $columns,
            " FROM around CROSS JOIN presence p ON p.cell >= around.low AND p.cell < around.high",
            $filter,
            " ORDER BY (lat - ?1) * (lat - ?1) + (lon - ?2) * (lon - ?2) * ?21 LIMIT ?22"
        )
    };
}

/// Parameters of [`in_nine_cells`].
fn nine_cells(place: GeoPoint, characters: usize, limit: u32) -> Vec<Value> {
    let mut parameters = vec![place.lat().into(), place.lon().into()];
    let mut cells = place.cell(characters).with_neighbours();
    // Fewer than nine at the poles: an empty range stands for each one missing.
    cells.truncate(9);
    for cell in &cells {
        parameters.push(cell.as_str().into());
        parameters.push(after(cell).into());
    }
    for _ in cells.len()..9 {
        parameters.extend(["".into(), "".into()]);
    }
    let scale = place.lat().to_radians().cos();
    parameters.push((scale * scale).into());
    parameters.push(limit.into());
    parameters
}

/// The first text after every geohash in the cell.
fn after(cell: &Cell) -> String {
    format!("{cell}~")
}

/// Present walkers in the nine cells around a place, about the nearest first: id, place, rating.
///
/// # Errors
/// When the database fails.
pub fn around(
    sql: &impl Sql,
    place: GeoPoint,
    characters: usize,
    limit: u32,
) -> Result<Vec<(AccountId, GeoPoint, u32)>, SqlError> {
    let rows = sql.query(
        in_nine_cells!("walker_id, lat, lon, rating_milli", ""),
        &nine_cells(place, characters, limit),
    )?;
    rows.iter().map(|row| Ok((row.parse(0)?, point(row, 1)?, row.uint(3)?))).collect()
}

/// The same with all that a choice needs.
///
/// # Errors
/// When the database fails.
pub fn candidates(
    sql: &impl Sql,
    place: GeoPoint,
    characters: usize,
    sizes: u8,
    limit: u32,
) -> Result<Vec<Candidate>, SqlError> {
    let mut parameters = nine_cells(place, characters, limit);
    parameters.push(i64::from(sizes).into());
    let rows = sql.query(
        in_nine_cells!(
            "walker_id, lat, lon, rating_milli, capacity, sizes, card, (SELECT ifnull(sum(r.pets), 0) FROM rides r \
             WHERE r.walker_id = p.walker_id AND r.state IN ('accepted', 'arrived', 'started', 'paused'))",
            " WHERE sizes & ?23 = ?23"
        ),
        &parameters,
    )?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                walker_id: row.parse(0)?,
                place: point(row, 1)?,
                rating_milli: row.uint(3)?,
                capacity: row.uint(4)?,
                sizes: row.uint(5)?,
                card: row.decode(6)?,
                busy_pets: row.uint(7)?,
            })
        })
        .collect()
}

fn point(row: &Row, column: usize) -> Result<GeoPoint, SqlError> {
    GeoPoint::new(row.real(column)?, row.real(column + 1)?).map_err(|e| SqlError::Stored(e.to_string()))
}

/// Rides that wait, and walkers present and free, in the nine cells of about 2.4 km or 5 km around a place.
///
/// # Errors
/// When the database fails.
pub fn demand(sql: &impl Sql, place: GeoPoint) -> Result<(u32, u32), SqlError> {
    let cell = place.cell(5);
    let bounds = [cell.as_str().into(), after(&cell).into()];
    let open = sql.first(
        "SELECT count(*) FROM rides WHERE state IN ('requested', 'offered') AND cell >= ?1 AND cell < ?2",
        &bounds,
    )?;
    let free = sql.first(
        "SELECT count(*) FROM (SELECT 1 FROM presence p WHERE p.cell >= ?1 AND p.cell < ?2 AND NOT EXISTS \
         (SELECT 1 FROM rides r WHERE r.walker_id = p.walker_id \
         AND r.state IN ('accepted', 'arrived', 'started', 'paused')) LIMIT 1000)",
        &bounds,
    )?;
    let count = |row: Option<Row>| row.map_or(Ok(0), |row| row.uint(0));
    Ok((count(open)?, count(free)?))
}
