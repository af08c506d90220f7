//! Coupons: once an account, counted at the booking.
//!
//! The booking is in the region's database and the use in the global one. So a coupon is held for a quote before its ride is
//! booked, and the ride's event, which comes at least once, makes that final; a hold of which nothing came ends by itself.

use petwalker_kernel::{AccountId, Millis, QuoteId, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use crate::domain::Coupon;
use crate::sql;

/// How long after a quote's end its coupon is held: the event of its ride has come long before.
const HELD_AFTER: Millis = Millis::from_mins(10);

/// What became of a ride that was booked with a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CouponNews {
    /// It was booked with that quote.
    Booked(QuoteId),
    /// It ended without costing anything.
    CostNothing,
}

/// The coupon of a code, where the account can use it for a quote of that currency.
pub(super) fn usable(
    global: &impl Sql,
    now: UtcMillis,
    account: AccountId,
    code: &str,
    currency: petwalker_kernel::Currency,
) -> Result<Coupon, Refusal> {
    let refused = || Refusal::CouponRefused(code.chars().take(40).collect());
    let coupon = sql::coupon(global, code)?;
    let coupon =
        coupon.filter(|c| c.expires_at > now && c.off_max.currency() == currency).ok_or_else(refused)?;
    match sql::coupon_use(global, code, account)? {
        Some(used) if used.excludes(None, now) => Err(refused()),
        _ => Ok(coupon),
    }
}

/// Holds the coupon of the caller's quote, which is about to be booked; nothing where it has none, or its time is over. The same
/// quote may be booked again and again: it makes one ride.
///
/// # Errors
/// When there is no such quote, or the account used the coupon for another one.
pub fn hold_coupon(
    region: &impl Sql,
    global: &impl Sql,
    now: UtcMillis,
    account: AccountId,
    id: QuoteId,
) -> Result<(), Refusal> {
    let quote =
        sql::promise(region, id)?.filter(|quote| quote.account_id == account).ok_or(Refusal::NotFound)?;
    let Some(code) = quote.coupon.filter(|_| quote.expires_at > now) else { return Ok(()) };
    transaction(global, |global| match sql::coupon_use(global, &code, account)? {
        Some(used) if used.excludes(Some(id), now) => Err(Refusal::CouponRefused(code)),
        Some(used) if used.booked => Ok(()),
        _ => Ok(sql::hold(global, &code, account, id, quote.expires_at.plus(HELD_AFTER))?),
    })
}

/// Gives back the coupon that was held for the caller's quote, where no ride came of it; another quote may have it then.
///
/// # Errors
/// When there is no such quote, or the database fails.
pub fn release_coupon(
    region: &impl Sql,
    global: &impl Sql,
    account: AccountId,
    id: QuoteId,
) -> Result<(), Refusal> {
    let quote =
        sql::promise(region, id)?.filter(|quote| quote.account_id == account).ok_or(Refusal::NotFound)?;
    let Some(code) = quote.coupon else { return Ok(()) };
    Ok(sql::release(global, &code, account, id)?)
}

/// Notes what became of a ride whose quote may have had a coupon. The same news again changes nothing.
///
/// # Errors
/// When the database fails.
pub fn note_coupon(
    region: &impl Sql,
    global: &impl Sql,
    ride: &str,
    news: &CouponNews,
) -> Result<(), Refusal> {
    match news {
        CouponNews::Booked(id) => {
            let Some(quote) = sql::promise(region, *id)? else { return Ok(()) };
            let Some(code) = quote.coupon else { return Ok(()) };
            Ok(sql::note_ride(global, &code, quote.account_id, *id, ride)?)
        }
        CouponNews::CostNothing => Ok(sql::give_back(global, ride)?),
    }
}
