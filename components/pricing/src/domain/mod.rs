//! The rules of prices: pure functions of tariff, walk and moment.

mod band;
mod price;
mod settle;
mod surge;
mod tariff;

pub use band::{Band, CalendarError, band_at};
pub use price::{Line, LineKind, PriceError, Size, Walk, price};
pub use settle::{Outcome, Settlement, settle};
pub use surge::surge_milli;
pub use tariff::{Cancellation, Coupon, Tariff};
