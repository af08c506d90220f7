//! Walkers.

use petwalker_kernel::{AccountId, GeoPoint};
use serde::{Deserialize, Serialize};

use super::pet::PetSize;
use super::{Invalid, invalid};

/// One stretch of a week in which a walker works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// 1 Monday to 7 Sunday.
    pub weekday: u8,
    /// Minutes after midnight.
    pub from_minute: u16,
    /// Minutes after midnight.
    pub to_minute: u16,
}

/// What a walker offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkerDetails {
    /// Centre of the area served.
    pub area_centre: GeoPoint,
    /// Its radius, metres.
    pub area_radius_m: u32,
    /// Pets walked at once.
    pub capacity: u8,
    /// Sizes accepted.
    pub accepted_sizes: Vec<PetSize>,
    /// When the walker works; empty for always.
    pub weekly: Vec<Availability>,
    /// IANA time zone.
    pub time_zone: String,
}

/// A walker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkerProfile {
    /// The account.
    pub account_id: AccountId,
    /// To show.
    pub display_name: String,
    /// What the walker offers.
    pub details: WalkerDetails,
    /// Mean rating in thousandths of a star.
    pub rating_milli: u32,
    /// Number of ratings.
    pub ratings: u32,
}

impl WalkerDetails {
    /// Checks the details.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(100..=50_000).contains(&self.area_radius_m) {
            return invalid("area_radius_m", "must be 100 to 50000 metres");
        }
        if !(1..=10).contains(&self.capacity) {
            return invalid("capacity", "must be 1 to 10");
        }
        if !(1..=4).contains(&self.accepted_sizes.len()) {
            return invalid("accepted_sizes", "must have at least one size, and each once");
        }
        let fits = |a: &Availability| {
            (1..=7).contains(&a.weekday) && a.from_minute < a.to_minute && a.to_minute <= 1_440
        };
        if self.weekly.len() > 50 || !self.weekly.iter().all(fits) {
            return invalid(
                "weekly",
                "may be 50 stretches of weekday 1 to 7, from_minute before to_minute up to 1440",
            );
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return invalid("time_zone", "must be an IANA time zone such as America/Sao_Paulo");
        }
        Ok(())
    }
}
