//! Quoting and settling.

mod coupons;
mod promised;
#[cfg(test)]
mod tests;

use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, Money, QuoteId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{
    Command, CommandError, NewEvent, Region, Sql, SqlError, count_daily, once, transaction,
};

use crate::domain::{self, Outcome, PriceError, Settlement, Size, Walk, surge_milli};
use crate::sql::{self, Quote};

pub use self::coupons::{CouponNews, hold_coupon, note_coupon, release_coupon};
pub use self::promised::{Promised, take_over};

/// How long a promise holds.
const VALID_FOR: Millis = Millis::from_mins(10);
/// How far ahead a walk may be scheduled.
const AHEAD_MAX: Millis = Millis::from_mins(60 * 24 * 60);

/// Quotes of one account on one day.
pub const QUOTES_A_DAY_MAX: u32 = 1_000;

/// What is to be priced.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the pets are fetched.
    pub pickup: GeoPoint,
    /// Minutes.
    pub duration_min: u32,
    /// The pets' sizes.
    pub sizes: Vec<Size>,
    /// When it is to start; none for at once.
    pub scheduled_for: Option<UtcMillis>,
    /// A coupon's code.
    pub coupon: Option<String>,
    /// Rides waiting around the pickup.
    pub open_rides: u32,
    /// Walkers free around the pickup.
    pub free_walkers: u32,
    /// The tutor's key, with which the place is sealed here, and the quote in its event; none where it was erased.
    pub seal_key: Option<SealKey>,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// No such quote, or not the caller's.
    #[error("there is no such quote, or it is not yours")]
    NotFound,
    /// The role may not do this.
    #[error("only tutors ask for quotes")]
    Forbidden,
    /// The tutor's key is gone: nothing can be kept for them any more.
    #[error("this account was erased")]
    Erased,
    /// No tariff covers the place.
    #[error("no tariff covers this place")]
    NoTariff,
    /// The coupon is unknown, has ended, is of another currency, or was used by the account.
    #[error("the coupon '{0}' cannot be used here, or you have used it")]
    CouponRefused(String),
    /// The price cannot be worked out.
    #[error("the price cannot be worked out: {0}")]
    Price(#[from] PriceError),
    /// The command id was used for something else, or is none.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Command(CommandError::Sql(error))
    }
}

fn check(request: &Request, now: UtcMillis) -> Result<(), Refusal> {
    let refuse = |field, message: &str| Err(Refusal::Invalid { field, message: message.to_owned() });
    if !(15..=240).contains(&request.duration_min) {
        return refuse("duration_min", "must be 15 to 240 minutes");
    }
    if !(1..=10).contains(&request.sizes.len()) {
        return refuse("pet_ids", "must be 1 to 10 pets");
    }
    if request.scheduled_for.is_some_and(|at| at < now || at > now.plus(AHEAD_MAX)) {
        return refuse("scheduled_for", "must be within the next 60 days");
    }
    Ok(())
}

/// Prices a walk and stores the promise.
///
/// # Errors
/// When the request is out of range, no tariff covers the place, the coupon cannot be used, the tutor was erased, or the
/// account has asked for [`QUOTES_A_DAY_MAX`] today.
pub fn create(
    region: &impl Sql,
    global: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    account_id: AccountId,
    request: &Request,
) -> Result<Quote, Refusal> {
    let key = request.seal_key.as_ref().ok_or(Refusal::Erased)?;
    transaction(region, |region| {
        once(
            region,
            command,
            moment.now,
            |region| {
                count_daily(region, &account_id.to_string(), "quotes", moment.now, QUOTES_A_DAY_MAX)?;
                let here = Region::read(region)?;
                let quote = price(global, &here, moment, account_id, request)?;
                sql::insert_quote(region, &quote, key)?;
                let facts = Promised::of(&quote, key, moment.bytes())?;
                let event = NewEvent {
                    event_type: Promised::TYPE,
                    stream_id: format!("quote/{}", quote.id),
                    version: 1,
                    schema: Promised::SCHEMA,
                    facts: &facts,
                    command: Some(command),
                };
                petwalker_store::append(region, &here, moment, event)?;
                Ok(quote)
            },
            |quote| quote.id,
            |region, id| get(region, account_id, id, Some(key)),
        )
    })
}

/// Works a price out.
fn price(
    global: &impl Sql,
    here: &Region,
    moment: &mut Moment<'_>,
    account_id: AccountId,
    request: &Request,
) -> Result<Quote, Refusal> {
    check(request, moment.now)?;
    let tariff = sql::tariff_at(global, request.pickup)?.ok_or(Refusal::NoTariff)?;
    let usable = |code: &String| coupons::usable(global, moment.now, account_id, code, tariff.currency);
    let coupon = request.coupon.as_ref().map(usable).transpose()?;
    let walk = Walk {
        duration_min: request.duration_min,
        sizes: request.sizes.clone(),
        starts_at: request.scheduled_for.unwrap_or(moment.now),
        surge_milli: surge_milli(request.open_rides, request.free_walkers, tariff.surge_max_milli),
    };
    let lines = domain::price(&tariff, &walk, coupon.as_ref())?;
    let total = Money::sum(tariff.currency, lines.iter().map(|l| l.amount)).map_err(PriceError::from)?;
    Ok(Quote {
        id: QuoteId::new_in(here.number, moment),
        account_id,
        total,
        lines,
        pickup: request.pickup,
        duration_min: request.duration_min,
        sizes: request.sizes.clone(),
        scheduled_for: request.scheduled_for,
        expires_at: moment.now.plus(VALID_FOR),
        surge_milli: walk.surge_milli,
        tariff,
        coupon: coupon.map(|coupon| coupon.code),
    })
}

/// The caller's quote, read with the caller's key.
///
/// # Errors
/// When there is none of that id, it is another's, or the key is not its own.
pub fn get(
    region: &impl Sql,
    account_id: AccountId,
    id: QuoteId,
    key: Option<&SealKey>,
) -> Result<Quote, Refusal> {
    sql::quote(region, id, key)?.filter(|q| q.account_id == account_id).ok_or(Refusal::NotFound)
}

/// What a ride that was requested with the quote costs in the end.
///
/// # Errors
/// When there is no such quote or an amount overflows.
pub fn settle(region: &impl Sql, id: QuoteId, outcome: Outcome) -> Result<Settlement, Refusal> {
    let quote = sql::promise(region, id)?.ok_or(Refusal::NotFound)?;
    Ok(domain::settle(&quote.tariff, &quote.lines, quote.duration_min, outcome).map_err(PriceError::from)?)
}
