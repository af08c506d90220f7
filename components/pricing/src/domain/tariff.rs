//! Tariffs and coupons.

use petwalker_kernel::{BasisPoints, Currency, Money, UtcMillis};
use serde::{Deserialize, Serialize};

/// What a cancellation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Minutes of grace after acceptance.
    pub grace_min: u32,
    /// Hour of the evening before, walker's time zone.
    pub cutoff_hour: u8,
    /// Share after the cutoff.
    pub late: BasisPoints,
    /// Share after the walker's arrival.
    pub arrived: BasisPoints,
}

/// The prices of an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Currency of all its amounts.
    pub currency: Currency,
    /// IANA time zone in which its hours run.
    pub time_zone: String,
    /// The fixed part, minor units.
    pub base_minor: i64,
    /// Each minute, minor units.
    pub per_minute_minor: i64,
    /// Each pet beyond the first, share of base and time.
    pub extra_pet: BasisPoints,
    /// Each large pet, minor units.
    pub large_minor: i64,
    /// Each giant pet, minor units.
    pub giant_minor: i64,
    /// At night, share of base, time and pets.
    pub night: BasisPoints,
    /// At weekends, the same.
    pub weekend: BasisPoints,
    /// The most that demand multiplies, thousandths.
    pub surge_max_milli: u32,
    /// The platform's share.
    pub platform_fee: BasisPoints,
    /// What calling off costs.
    pub cancellation: Cancellation,
}

/// A coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// What is typed in.
    pub code: String,
    /// Share taken off.
    pub off: BasisPoints,
    /// The most taken off.
    pub off_max: Money,
    /// When it ends.
    pub expires_at: UtcMillis,
}
