//! Whom a ride is offered to, and for how long.

use petwalker_kernel::{AccountId, Cell, GeoPoint, Millis, UtcMillis};
use serde::{Deserialize, Serialize};

use super::availability::{WorkHours, works_during};
use super::blur::told_m;
use super::order::RideOrder;

/// Waves of offers before a ride is given up.
pub const WAVES_MAX: u32 = 3;
/// How far ahead of its time a scheduled ride is first offered.
const AHEAD: Millis = Millis::from_mins(120);

/// One wave: whom it reaches and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Offers made.
    pub size: usize,
    /// Metres around the pickup.
    pub radius_m: u32,
    /// How long the walkers have.
    pub lasts: Millis,
}

impl Wave {
    /// The wave after `made` waves: each reaches further.
    #[must_use]
    pub fn after(made: u32, order: &RideOrder) -> Self {
        let lasts = if order.scheduled_for.is_some() { Millis::from_mins(10) } else { Millis::from_secs(30) };
        match made {
            0 => Self { size: 5, radius_m: 2_500, lasts },
            1 => Self { size: 10, radius_m: 5_000, lasts },
            _ => Self { size: 20, radius_m: 10_000, lasts },
        }
    }
}

/// When a ride is first offered.
#[must_use]
pub fn first_dispatch_at(order: &RideOrder) -> UtcMillis {
    order
        .scheduled_for
        .map_or(order.requested_at, |at| at.plus(Millis::new(-AHEAD.get())).max(order.requested_at))
}

/// What matching knows of a walker beyond place and rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkerCard {
    /// IANA time zone.
    pub time_zone: String,
    /// Centre of the area served.
    pub area_centre: GeoPoint,
    /// Its radius in metres.
    pub area_radius_m: u32,
    /// When the walker works; empty for always.
    pub weekly: Vec<WorkHours>,
}

/// A present walker near a pickup.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub walker_id: AccountId,
    /// Where.
    pub place: GeoPoint,
    /// Mean rating in thousandths of a star; 0 without ratings.
    pub rating_milli: u32,
    /// Pets walked at once.
    pub capacity: u32,
    /// Pets of rides that were accepted and are not over, whenever they are.
    pub busy_pets: u32,
    /// Sizes accepted, as bits.
    pub sizes: u8,
    /// The rest.
    pub card: WalkerCard,
}

/// A mean below this keeps a rated walker out.
const RATING_MIN_MILLI: u32 = 2_500;
/// What a star is worth against distance when candidates are ranked, metres.
const METRES_PER_STAR: f64 = 200.0;

/// The best candidates for a wave, best first, with the distance that they are told: near, and among the near the well
/// rated.
///
/// `around` is the pickup's square and not the pickup: who gets an offer must not tell where somebody lives. The distance
/// told is from the middle of the ride's cell, which the offer names.
#[must_use]
pub fn choose(
    order: &RideOrder,
    around: GeoPoint,
    passed_over: &[AccountId],
    wave: Wave,
    candidates: Vec<Candidate>,
) -> Vec<(AccountId, u32)> {
    let cell = Cell::named(&order.cell).and_then(|cell| cell.centre()).unwrap_or(around);
    let mut ranked: Vec<(f64, u32, AccountId)> = candidates
        .into_iter()
        .filter(|c| !passed_over.contains(&c.walker_id) && c.walker_id != order.tutor_id)
        .filter(|c| takes(c, order, around))
        .map(|c| (c.place.distance_m(around), c))
        .filter(|(distance, _)| *distance <= f64::from(wave.radius_m))
        .map(|(distance, c)| {
            let rank = distance - stars(c.rating_milli) * METRES_PER_STAR;
            (rank, told_m(c.place.distance_m(cell)), c.walker_id)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
    ranked.truncate(wave.size);
    ranked.into_iter().map(|(_, told, walker)| (walker, told)).collect()
}

/// An unrated walker counts as a middling one, so that newcomers get walks.
fn stars(rating_milli: u32) -> f64 {
    if rating_milli == 0 { 4.0 } else { f64::from(rating_milli) / 1000.0 }
}

/// Smaller areas count as large as the square that stands for a pickup: else they would tell where in it that is.
const AREA_RADIUS_M_MIN: u32 = 1_000;

fn takes(candidate: &Candidate, order: &RideOrder, around: GeoPoint) -> bool {
    let sizes = order.sizes();
    let pets = u32::try_from(order.pets.len()).unwrap_or(u32::MAX);
    let card = &candidate.card;
    let rated_well = candidate.rating_milli == 0 || candidate.rating_milli >= RATING_MIN_MILLI;
    let duration = Millis::from_mins(order.duration_min.into());
    rated_well
        && candidate.sizes & sizes == sizes
        && candidate.busy_pets.saturating_add(pets) <= candidate.capacity
        && card.area_centre.distance_m(around) <= f64::from(card.area_radius_m.max(AREA_RADIUS_M_MIN))
        && works_during(&card.weekly, &card.time_zone, order.starts_at(), duration)
}
