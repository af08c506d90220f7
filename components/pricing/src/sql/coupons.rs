//! `coupons` and `coupon_uses`.

use petwalker_kernel::{AccountId, BasisPoints, Money, QuoteId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::Coupon;

/// The coupon of a code.
///
/// # Errors
/// When the database fails.
pub fn coupon(sql: &impl Sql, code: &str) -> Result<Option<Coupon>, SqlError> {
    let row = sql.first(
        "SELECT code, off_bp, off_max_minor, currency, expires_at_ms FROM coupons WHERE code = ?1",
        &[code.into()],
    )?;
    row.map(|row| {
        Ok(Coupon {
            code: row.text(0)?.to_owned(),
            off: BasisPoints(row.uint(1)?),
            off_max: Money::new(row.int(2)?, row.parse(3)?),
            expires_at: UtcMillis::new(row.int(4)?),
        })
    })
    .transpose()
}

/// An account's use of a coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouponUse {
    /// For which quote.
    pub quote_id: QuoteId,
    /// Until when it is held where no ride came of it.
    pub held_until: UtcMillis,
    /// Whether a ride came of it.
    pub booked: bool,
}

impl CouponUse {
    /// Whether this keeps the account from using the coupon for a quote.
    #[must_use]
    pub fn excludes(&self, quote: Option<QuoteId>, now: UtcMillis) -> bool {
        Some(self.quote_id) != quote && (self.booked || self.held_until > now)
    }
}

/// An account's use of a coupon; none where it has not used it.
///
/// # Errors
/// When the database fails.
pub fn coupon_use(sql: &impl Sql, code: &str, account: AccountId) -> Result<Option<CouponUse>, SqlError> {
    let row = sql.first(
        "SELECT quote_id, held_until_ms, ride_id IS NOT NULL FROM coupon_uses WHERE code = ?1 AND account_id = ?2",
        &[code.into(), Value::display(&account)],
    )?;
    row.map(|row| {
        Ok(CouponUse {
            quote_id: row.parse(0)?,
            held_until: UtcMillis::new(row.int(1)?),
            booked: row.int(2)? == 1,
        })
    })
    .transpose()
}

/// Holds a coupon for a quote, in the place of a use that has come to nothing.
///
/// # Errors
/// When the database fails.
pub fn hold(
    sql: &impl Sql,
    code: &str,
    account: AccountId,
    quote: QuoteId,
    until: UtcMillis,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO coupon_uses (code, account_id, quote_id, held_until_ms) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (code, account_id) DO UPDATE SET quote_id = excluded.quote_id, \
         held_until_ms = excluded.held_until_ms, ride_id = NULL",
        &[code.into(), Value::display(&account), Value::display(&quote), until.into()],
    )?;
    Ok(())
}

/// Ends a hold of which no ride came.
///
/// # Errors
/// When the database fails.
pub fn release(sql: &impl Sql, code: &str, account: AccountId, quote: QuoteId) -> Result<(), SqlError> {
    sql.execute(
        "DELETE FROM coupon_uses WHERE code = ?1 AND account_id = ?2 AND quote_id = ?3 AND ride_id IS NULL",
        &[code.into(), Value::display(&account), Value::display(&quote)],
    )
    .map(drop)
}

/// Notes the ride that came of a quote with a coupon. Where another ride has it, that stays.
///
/// # Errors
/// When the database fails.
pub fn note_ride(
    sql: &impl Sql,
    code: &str,
    account: AccountId,
    quote: QuoteId,
    ride: &str,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO coupon_uses (code, account_id, quote_id, held_until_ms, ride_id) VALUES (?1, ?2, ?3, 0, ?4) \
         ON CONFLICT (code, account_id) DO UPDATE SET quote_id = excluded.quote_id, ride_id = excluded.ride_id \
         WHERE coupon_uses.ride_id IS NULL",
        &[code.into(), Value::display(&account), Value::display(&quote), ride.into()],
    )?;
    Ok(())
}

/// Gives back the coupon of a ride that cost nothing, where there was one.
///
/// # Errors
/// When the database fails.
pub fn give_back(sql: &impl Sql, ride: &str) -> Result<(), SqlError> {
    let used = sql.first("SELECT 1 FROM coupon_uses WHERE ride_id = ?1", &[ride.into()])?;
    if used.is_some() {
        sql.execute("DELETE FROM coupon_uses WHERE ride_id = ?1", &[ride.into()])?;
    }
    Ok(())
}
