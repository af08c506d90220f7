//! Statements over pricing's tables: tariffs and coupons in `global`, quotes in `region`.

mod coupons;

pub use self::coupons::{CouponUse, coupon, coupon_use, give_back, hold, note_ride};

use petwalker_kernel::{AccountId, BasisPoints, GeoPoint, Money, QuoteId, UtcMillis};
use petwalker_store::{Row, Sql, SqlError, Value};
use serde::{Deserialize, Serialize};

use crate::domain::{Cancellation, Line, Size, Tariff};

/// A stored promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// For whom.
    pub account_id: AccountId,
    /// The sum of the lines.
    pub total: Money,
    /// The breakdown.
    pub lines: Vec<Line>,
    /// Where the pets are fetched.
    pub pickup: GeoPoint,
    /// Minutes.
    pub duration_min: u32,
    /// Sizes of the pets.
    pub sizes: Vec<Size>,
    /// When it is to start; none for at once.
    pub scheduled_for: Option<UtcMillis>,
    /// When the promise ends.
    pub expires_at: UtcMillis,
    /// Demand multiplier, thousandths.
    pub surge_milli: u32,
    /// The tariff as it stood.
    pub tariff: Tariff,
    /// The coupon that was priced in.
    #[serde(default)]
    pub coupon: Option<String>,
}

/// The tariff of a place: the one with the longest matching area.
///
/// # Errors
/// When the database fails.
pub fn tariff_at(sql: &impl Sql, place: GeoPoint) -> Result<Option<Tariff>, SqlError> {
    let row = sql.first(
        "SELECT currency, time_zone, base_minor, per_minute_minor, extra_pet_bp, large_minor, giant_minor, night_bp, \
         weekend_bp, surge_max_milli, platform_fee_bp, grace_min, cutoff_hour, late_bp, arrived_bp \
         FROM tariffs WHERE substr(?1, 1, length(area)) = area ORDER BY length(area) DESC LIMIT 1",
        &[place.cell(8).as_str().into()],
    )?;
    row.as_ref().map(read_tariff).transpose()
}

fn read_tariff(row: &Row) -> Result<Tariff, SqlError> {
    let share = |column| row.uint(column).map(BasisPoints);
    Ok(Tariff {
        currency: row.parse(0)?,
        time_zone: row.text(1)?.to_owned(),
        base_minor: row.int(2)?,
        per_minute_minor: row.int(3)?,
        extra_pet: share(4)?,
        large_minor: row.int(5)?,
        giant_minor: row.int(6)?,
        night: share(7)?,
        weekend: share(8)?,
        surge_max_milli: row.uint(9)?,
        platform_fee: share(10)?,
        cancellation: Cancellation {
            grace_min: row.uint(11)?,
            cutoff_hour: row.uint(12)?,
            late: share(13)?,
            arrived: share(14)?,
        },
    })
}

/// Stores a quote.
///
/// # Errors
/// When the database fails.
pub fn insert_quote(sql: &impl Sql, quote: &Quote) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO quotes (id, account_id, expires_at_ms, body) VALUES (?1, ?2, ?3, ?4)",
        &[
            Value::display(&quote.id),
            Value::display(&quote.account_id),
            quote.expires_at.into(),
            Value::encode(quote)?,
        ],
    )?;
    Ok(())
}

/// The quote of an id.
///
/// # Errors
/// When the database fails.
pub fn quote(sql: &impl Sql, id: QuoteId) -> Result<Option<Quote>, SqlError> {
    sql.first("SELECT body FROM quotes WHERE id = ?1", &[Value::display(&id)])?
        .map(|row| row.decode(0))
        .transpose()
}
