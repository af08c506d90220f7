//! `presence`.

use petwalker_kernel::{AccountId, Cell, GeoPoint, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Row, Sql, SqlError, Value, remove_due};

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

/// The key that told places are blurred with.
///
/// # Errors
/// When there is none or the database fails.
pub fn blur_key(sql: &impl Sql) -> Result<SealKey, SqlError> {
    let row = sql.first("SELECT key FROM presence_key WHERE one = 1", &[])?;
    let key = row.map(|row| row.blob(0).map(SealKey::from_slice)).transpose()?.flatten();
    key.ok_or_else(|| SqlError::Stored("the key of told places is missing".to_owned()))
}

/// Writes a walker's presence; `shown` is where others are told that the walker is.
///
/// # Errors
/// When the database fails.
pub fn put(sql: &impl Sql, presence: &Presence, shown: GeoPoint, now: UtcMillis) -> Result<(), SqlError> {
    sql.execute(
        "INSERT OR REPLACE INTO presence (walker_id, lat, lon, cell, shown_lat, shown_lon, shown_cell, \
         rating_milli, capacity, sizes, card, seen_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        &[
            Value::display(&presence.walker_id),
            presence.place.lat().into(),
            presence.place.lon().into(),
            presence.place.cell(CELL_CHARACTERS).as_str().into(),
            shown.lat().into(),
            shown.lon().into(),
            shown.cell(CELL_CHARACTERS).as_str().into(),
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

/// Where a walker was when they told it last, and when that was.
///
/// # Errors
/// When the database fails.
pub fn last_seen(sql: &impl Sql, walker: AccountId) -> Result<Option<(GeoPoint, UtcMillis)>, SqlError> {
    let row = sql.first(
        "SELECT lat, lon, seen_at_ms FROM presence WHERE walker_id = ?1",
        &[Value::display(&walker)],
    )?;
    row.map(|row| Ok((point(&row, 0)?, UtcMillis::new(row.int(2)?)))).transpose()
}

/// Removes presences that were told last before a moment, at most `limit` of them; how many.
///
/// # Errors
/// When the database fails.
pub fn purge(sql: &impl Sql, before: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    remove_due(
        sql,
        "SELECT 1 FROM presence WHERE seen_at_ms < ?1 LIMIT 1",
        "DELETE FROM presence WHERE walker_id IN \
         (SELECT walker_id FROM presence WHERE seen_at_ms < ?1 ORDER BY seen_at_ms LIMIT ?2)",
        before,
        limit,
    )
}

/// Nine ranges of cells as one statement: the ranges come first, so that each is a walk along the index rather than all of
/// them a walk over the table. Distances are compared on a plane scaled at the place, exact enough to pick rows; callers
/// measure properly.
macro_rules! in_nine_cells {
    ($columns:literal, $cell:literal, $lat:literal, $lon:literal, $filter:literal) => {
        concat!(
            "WITH around (low, high) AS (VALUES (?3, ?4), (?5, ?6), (?7, ?8), (?9, ?10), (?11, ?12), (?13, ?14), ",
            "(?15, ?16), (?17, ?18), (?19, ?20)) SELECT ",
            $columns,
            " FROM around CROSS JOIN presence p ON p.",
            $cell,
            " >= around.low AND p.",
            $cell,
            " < around.high WHERE seen_at_ms >= ?23",
            $filter,
            " ORDER BY (",
            $lat,
            " - ?1) * (",
            $lat,
            " - ?1) + (",
            $lon,
            " - ?2) * (",
            $lon,
            " - ?2) * ?21 LIMIT ?22"
        )
    };
}

/// Parameters of [`in_nine_cells`].
fn nine_cells(place: GeoPoint, characters: usize, limit: u32, seen_since: UtcMillis) -> Vec<Value> {
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
    parameters.push(seen_since.into());
    parameters
}

/// The first text after every geohash in the cell.
fn after(cell: &Cell) -> String {
    format!("{cell}~")
}

/// Walkers who told their presence since a moment and are shown in the nine cells around a place, about the nearest first:
/// id, shown place, rating.
///
/// # Errors
/// When the database fails.
pub fn shown_around(
    sql: &impl Sql,
    place: GeoPoint,
    characters: usize,
    limit: u32,
    seen_since: UtcMillis,
) -> Result<Vec<(AccountId, GeoPoint, u32)>, SqlError> {
    let rows = sql.query(
        in_nine_cells!(
            "walker_id, shown_lat, shown_lon, rating_milli",
            "shown_cell",
            "shown_lat",
            "shown_lon",
            ""
        ),
        &nine_cells(place, characters, limit, seen_since),
    )?;
    rows.iter().map(|row| Ok((row.parse(0)?, point(row, 1)?, row.uint(3)?))).collect()
}

/// Walkers who told their presence since a moment and are in the nine cells around a place, about the nearest first, with
/// all that a choice needs.
///
/// # Errors
/// When the database fails.
pub fn candidates(
    sql: &impl Sql,
    place: GeoPoint,
    characters: usize,
    sizes: u8,
    limit: u32,
    seen_since: UtcMillis,
) -> Result<Vec<Candidate>, SqlError> {
    let mut parameters = nine_cells(place, characters, limit, seen_since);
    parameters.push(i64::from(sizes).into());
    let rows = sql.query(
        in_nine_cells!(
            "walker_id, lat, lon, rating_milli, capacity, sizes, card, (SELECT ifnull(sum(r.pets), 0) FROM rides r \
             WHERE r.walker_id = p.walker_id AND r.state IN ('accepted', 'arrived', 'started', 'paused'))",
            "cell",
            "lat",
            "lon",
            " AND sizes & ?24 = ?24"
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

/// Tutors whose rides wait, and walkers free who told their presence since a moment, in the cell of about 5 km around a place.
///
/// # Errors
/// When the database fails.
pub fn demand(sql: &impl Sql, place: GeoPoint, seen_since: UtcMillis) -> Result<(u32, u32), SqlError> {
    let cell = place.cell(5);
    let mut bounds = vec![cell.as_str().into(), after(&cell).into()];
    let waiting = sql.first(
        "SELECT count(DISTINCT tutor_id) FROM rides \
         WHERE state IN ('requested', 'offered') AND cell >= ?1 AND cell < ?2",
        &bounds,
    )?;
    bounds.push(seen_since.into());
    let free = sql.first(
        "SELECT count(*) FROM (SELECT 1 FROM presence p WHERE p.cell >= ?1 AND p.cell < ?2 AND p.seen_at_ms >= ?3 \
         AND NOT EXISTS (SELECT 1 FROM rides r WHERE r.walker_id = p.walker_id \
         AND r.state IN ('accepted', 'arrived', 'started', 'paused')) LIMIT 1000)",
        &bounds,
    )?;
    let count = |row: Option<Row>| row.map_or(Ok(0), |row| row.uint(0));
    Ok((count(waiting)?, count(free)?))
}
