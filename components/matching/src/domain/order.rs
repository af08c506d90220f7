//! The facts of a ride: what was asked for, by whom, who will come, what was measured.

use petwalker_kernel::{AccountId, Money, QuoteId, RideId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::fee::CancellationPolicy;

/// How big a pet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PetSize {
    /// Up to 10 kg.
    Small,
    /// Up to 25 kg.
    Medium,
    /// Up to 45 kg.
    Large,
    /// Above.
    Giant,
}

impl PetSize {
    /// The bit that stands for the size in a set of sizes.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A pet of a ride.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RidePet {
    /// Its id.
    pub id: String,
    /// Its size.
    pub size: PetSize,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Owns the pets.
    Tutor,
    /// Walks them.
    Walker,
    /// Runs the service.
    Operator,
    /// Extends it.
    Partner,
}

/// The facts that a ride starts with; they never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RideOrder {
    /// The ride.
    pub id: RideId,
    /// Who asks.
    pub tutor_id: AccountId,
    /// The promise of the price.
    pub quote_id: QuoteId,
    /// The price.
    pub price: Money,
    /// Length in minutes.
    pub duration_min: u32,
    /// The pets.
    pub pets: Vec<RidePet>,
    /// Geohash of about 2.4 km around the pickup: where demand is, not where somebody lives.
    pub cell: String,
    /// When asked.
    pub requested_at: UtcMillis,
    /// When it is to start; none for at once.
    pub scheduled_for: Option<UtcMillis>,
    /// What calling off costs.
    pub policy: CancellationPolicy,
}

impl RideOrder {
    /// When the walk is to start.
    #[must_use]
    pub fn starts_at(&self) -> UtcMillis {
        self.scheduled_for.unwrap_or(self.requested_at)
    }

    /// The sizes of the pets as a set of bits.
    #[must_use]
    pub fn sizes(&self) -> u8 {
        self.pets.iter().fold(0, |bits, pet| bits | pet.size.bit())
    }
}

/// A walker's acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// Who will come.
    pub walker_id: AccountId,
    /// Since when.
    pub accepted_at: UtcMillis,
    /// IANA time zone in which the walker's cutoffs run.
    pub time_zone: String,
    /// How many pets the walker walks at once; none in what was written before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

/// What was measured of a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walked {
    /// Metres.
    pub distance_m: u32,
    /// Milliseconds in motion.
    pub moving_ms: u64,
}

/// A walk that took place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who walked.
    pub by: Commitment,
    /// When it started.
    pub started_at: UtcMillis,
    /// When it ended.
    pub ended_at: UtcMillis,
    /// What was measured.
    pub walked: Walked,
}
