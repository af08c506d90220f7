//! Statements over pricing's tables: tariffs and coupons in `global`, quotes in `region`.

mod coupons;

pub use self::coupons::{CouponUse, coupon, coupon_use, give_back, hold, note_ride, release};

use petwalker_kernel::{AccountId, BasisPoints, GeoPoint, Money, QuoteId, UtcMillis};
use petwalker_seal::{NONCE_BYTES, SealKey};
use petwalker_store::{Row, Sql, SqlError, Value};
use serde::{Deserialize, Serialize};

use crate::domain::{Cancellation, Line, Size, Tariff};

/// A promise of a price, all of it.
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

/// What is stored in the clear of a quote: all but where the pets are fetched, which is somebody's home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Terms {
    id: QuoteId,
    account_id: AccountId,
    total: Money,
    lines: Vec<Line>,
    duration_min: u32,
    sizes: Vec<Size>,
    scheduled_for: Option<UtcMillis>,
    expires_at: UtcMillis,
    surge_milli: u32,
    tariff: Tariff,
    #[serde(default)]
    coupon: Option<String>,
}

impl Terms {
    fn of(quote: &Quote) -> Self {
        Self {
            id: quote.id,
            account_id: quote.account_id,
            total: quote.total,
            lines: quote.lines.clone(),
            duration_min: quote.duration_min,
            sizes: quote.sizes.clone(),
            scheduled_for: quote.scheduled_for,
            expires_at: quote.expires_at,
            surge_milli: quote.surge_milli,
            tariff: quote.tariff.clone(),
            coupon: quote.coupon.clone(),
        }
    }

    fn at(self, pickup: GeoPoint) -> Quote {
        Quote {
            id: self.id,
            account_id: self.account_id,
            total: self.total,
            lines: self.lines,
            pickup,
            duration_min: self.duration_min,
            sizes: self.sizes,
            scheduled_for: self.scheduled_for,
            expires_at: self.expires_at,
            surge_milli: self.surge_milli,
            tariff: self.tariff,
            coupon: self.coupon,
        }
    }
}

/// What a quote promises, which is read without its tutor's key.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// For whom.
    pub account_id: AccountId,
    /// When the promise ends.
    pub expires_at: UtcMillis,
    /// The coupon that was priced in.
    pub coupon: Option<String>,
    /// The breakdown.
    pub lines: Vec<Line>,
    /// Minutes.
    pub duration_min: u32,
    /// The tariff as it stood.
    pub tariff: Tariff,
}

/// Where a quote's pets are fetched, sealed for the quote alone. Each quote has a key of its own, which seals this once: the
/// nonce can be fixed, so that every edge stores the same bytes.
fn seal_place(key: &SealKey, id: QuoteId, place: GeoPoint) -> Vec<u8> {
    let context = place_context(id);
    let plain = [place.lat().to_le_bytes(), place.lon().to_le_bytes()].concat();
    key.derive(&context).seal([0; NONCE_BYTES], &context, &plain)
}

/// None where it was sealed with another key, or the key was erased.
fn open_place(key: Option<&SealKey>, id: QuoteId, sealed: &[u8]) -> Option<GeoPoint> {
    let context = place_context(id);
    let plain = key?.derive(&context).open(&context, sealed).ok()?;
    let (lat, lon) = plain.split_first_chunk::<8>()?;
    GeoPoint::new(f64::from_le_bytes(*lat), f64::from_le_bytes(lon.try_into().ok()?)).ok()
}

fn place_context(id: QuoteId) -> String {
    format!("quote/{id}/place")
}

/// Stores a quote, its place sealed with its tutor's key.
///
/// # Errors
/// When the database fails.
pub fn insert_quote(sql: &impl Sql, quote: &Quote, key: &SealKey) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO quotes (id, account_id, expires_at_ms, body, place) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            Value::display(&quote.id),
            Value::display(&quote.account_id),
            quote.expires_at.into(),
            Value::encode(&Terms::of(quote))?,
            Value::Blob(seal_place(key, quote.id, quote.pickup)),
        ],
    )?;
    Ok(())
}

/// The quote of an id; none, too, where its place cannot be read with that key.
///
/// # Errors
/// When the database fails.
pub fn quote(sql: &impl Sql, id: QuoteId, key: Option<&SealKey>) -> Result<Option<Quote>, SqlError> {
    let row = sql.first("SELECT body, place FROM quotes WHERE id = ?1", &[Value::display(&id)])?;
    let Some(row) = row else { return Ok(None) };
    match row.opt_blob(1)? {
        Some(sealed) => {
            let terms: Terms = row.decode(0)?;
            Ok(open_place(key, id, sealed).map(|place| terms.at(place)))
        }
        None => row.decode(0).map(Some),
    }
}

/// What the quote of an id promises.
///
/// # Errors
/// When the database fails.
pub fn promise(sql: &impl Sql, id: QuoteId) -> Result<Option<Promise>, SqlError> {
    let row = sql.first("SELECT body, place FROM quotes WHERE id = ?1", &[Value::display(&id)])?;
    let Some(row) = row else { return Ok(None) };
    let terms: Terms = match row.opt_blob(1)? {
        Some(_) => row.decode(0)?,
        None => Terms::of(&row.decode(0)?),
    };
    Ok(Some(Promise {
        account_id: terms.account_id,
        expires_at: terms.expires_at,
        coupon: terms.coupon,
        lines: terms.lines,
        duration_min: terms.duration_min,
        tariff: terms.tariff,
    }))
}

#[cfg(test)]
mod tests {
    use super::{open_place, seal_place};
    use petwalker_kernel::{GeoPoint, QuoteId};
    use petwalker_seal::SealKey;

    #[test]
    fn a_place_is_read_with_its_key_and_for_its_quote_only() {
        let key = SealKey::new([7; 32]);
        let id: QuoteId = "0197b9a1-7c00-7000-8000-000000000001".parse().expect("an id");
        let other: QuoteId = "0197b9a1-7c00-7000-8000-000000000002".parse().expect("an id");
        let place = GeoPoint::new(-23.5505, -46.6333).expect("on Earth");
        let sealed = seal_place(&key, id, place);
        assert_eq!(sealed, seal_place(&key, id, place), "every edge stores the same bytes");
        assert_eq!(open_place(Some(&key), id, &sealed), Some(place));
        assert_eq!(open_place(None, id, &sealed), None);
        assert_eq!(open_place(Some(&key), other, &sealed), None);
        assert_eq!(open_place(Some(&SealKey::new([8; 32])), id, &sealed), None);
        let in_the_clear = (-23.5505_f64).to_le_bytes();
        assert!(!sealed.windows(8).any(|bytes| bytes == in_the_clear));
    }
}
