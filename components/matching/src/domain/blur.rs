//! How much of a place others are told: never closer than 500 m.
//!
//! A walker's place is snapped to a grid of 400 m, then displaced by 1000 m to 1200 m. The direction is drawn by a keyed
//! hash: most of it from the walker and the square of the grid, the rest (60 degrees to either side) from the hour as well.
//! Questions within an hour get one and the same answer; the mean of many hours does not come closer than 500 m either,
//! since all directions of a square point to the same side.
//!
//! A pickup is known to the choice of walkers by its square of 1000 m only, and to the walkers who get the offer by its
//! geohash cell: whoever counts which of many walkers get an offer learns the square and no more.

use petwalker_kernel::{AccountId, GeoPoint, UtcMillis};
use petwalker_seal::SealKey;

/// Distances are told in steps of so many metres.
pub const TOLD_STEP_M: u32 = 500;
/// Side of the squares that stand for pickups, metres.
const PICKUP_SQUARE_M: f64 = 1_000.0;
/// Side of the squares that walkers' places are snapped to, metres.
const GRID_M: f64 = 400.0;
/// How far the told place is from the middle of its square, metres: the least, and how much more it may be.
const DISPLACED_M: (f64, f64) = (1_000.0, 200.0);
/// How far the hour may turn the direction of a square, radians to either side.
const HOURLY_TURN: f64 = std::f64::consts::FRAC_PI_3;
const HOUR_MS: i64 = 3_600_000;
/// Metres of a degree of latitude, on the sphere that the kernel measures on.
const METRES_PER_DEGREE: f64 = 111_195.08;
/// At the poles a degree of longitude has no length: there it is taken to be this part of one at the equator.
const COSINE_MIN: f64 = 0.01;

/// A square of a grid over the Earth: rows of equal latitude, each divided evenly along its middle.
struct Square {
    row: i64,
    column: i64,
    middle: GeoPoint,
}

#[expect(clippy::cast_possible_truncation, reason = "rows and columns of a grid on Earth")]
fn square_of(place: GeoPoint, side_m: f64) -> Square {
    let height = side_m / METRES_PER_DEGREE;
    let row = (place.lat() / height).floor();
    let lat = (row + 0.5) * height;
    let width = height / lat.to_radians().cos().max(COSINE_MIN);
    let column = (place.lon() / width).floor();
    let middle = GeoPoint::clamped(lat, (column + 0.5) * width);
    Square { row: row as i64, column: column as i64, middle }
}

/// The middle of the square of 1000 m that stands for a pickup where walkers are chosen.
#[must_use]
pub fn pickup_square(pickup: GeoPoint) -> GeoPoint {
    square_of(pickup, PICKUP_SQUARE_M).middle
}

/// A distance as it is told: in steps of [`TOLD_STEP_M`], to the nearest.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a distance on Earth fits")]
pub fn told_m(distance_m: f64) -> u32 {
    let steps = (distance_m / f64::from(TOLD_STEP_M)).round();
    steps as u32 * TOLD_STEP_M
}

/// Where others are told that a walker is, who was at `place` at `at`: 500 m to 1500 m away.
#[must_use]
pub fn blurred(key: &SealKey, walker: AccountId, place: GeoPoint, at: UtcMillis) -> GeoPoint {
    let square = square_of(place, GRID_M);
    let of_square = key.derive(&format!("presence/{walker}/{}/{}", square.row, square.column));
    let of_hour = of_square.derive(&at.get().div_euclid(HOUR_MS).to_string());
    let turn = (part(&of_hour, 0) * 2.0 - 1.0) * HOURLY_TURN;
    let direction = part(&of_square, 0) * std::f64::consts::TAU + turn;
    displaced(square.middle, direction, DISPLACED_M.0 + DISPLACED_M.1 * part(&of_hour, 4))
}

/// Four bytes of a key as a number from 0 to 1.
fn part(key: &SealKey, from: usize) -> f64 {
    let bytes = key.as_bytes();
    let drawn = u32::from_le_bytes([bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]]);
    f64::from(drawn) / f64::from(u32::MAX)
}

/// The place so many metres away.
fn displaced(from: GeoPoint, direction: f64, metres: f64) -> GeoPoint {
    let lat = from.lat() + metres * direction.cos() / METRES_PER_DEGREE;
    let degree_m = METRES_PER_DEGREE * from.lat().to_radians().cos().max(COSINE_MIN);
    let lon = from.lon() + metres * direction.sin() / degree_m;
    GeoPoint::clamped(lat, (lon + 540.0).rem_euclid(360.0) - 180.0)
}

#[cfg(test)]
mod tests {
    use super::{blurred, pickup_square, told_m};
    use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, SeededEntropy, UtcMillis};
    use petwalker_seal::SealKey;
    use proptest::prelude::*;

    const NOW: UtcMillis = UtcMillis::new(1_790_000_000_000);

    fn walker(seed: u64) -> AccountId {
        AccountId::new(&mut Moment { now: NOW, entropy: &mut SeededEntropy(seed) })
    }

    fn hour(number: i64) -> UtcMillis {
        NOW.plus(Millis::from_mins(number * 60))
    }

    #[test]
    fn distances_are_told_in_steps() {
        for (metres, told) in [(0.0, 0), (249.0, 0), (251.0, 500), (749.0, 500), (10_000.0, 10_000)] {
            assert_eq!(told_m(metres), told, "{metres}");
        }
    }

    #[test]
    fn the_mean_of_many_hours_comes_no_closer_than_500_m() {
        for seed in 0..60 {
            let key = SealKey::new([u8::try_from(seed).expect("few"); 32]);
            let at = GeoPoint::new(-23.55 + 0.001_7 * f64::from(u32::try_from(seed).expect("few")), -46.63)
                .expect("on Earth");
            let told: Vec<GeoPoint> =
                (0..2_000).map(|number| blurred(&key, walker(seed), at, hour(number))).collect();
            let mean = |of: fn(GeoPoint) -> f64| told.iter().map(|p| of(*p)).sum::<f64>() / 2_000.0;
            let mean = GeoPoint::new(mean(GeoPoint::lat), mean(GeoPoint::lon)).expect("on Earth");
            assert!(mean.distance_m(at) >= 500.0, "{seed}: {}", mean.distance_m(at));
        }
    }

    #[test]
    fn within_an_hour_there_is_one_answer_and_each_walker_has_an_own() {
        let key = SealKey::new([3; 32]);
        let at = GeoPoint::new(-23.55, -46.63).expect("on Earth");
        let start = UtcMillis::new(NOW.get().div_euclid(3_600_000) * 3_600_000);
        let told = |seed, minute| blurred(&key, walker(seed), at, start.plus(Millis::from_mins(minute)));
        assert_eq!(told(1, 0), told(1, 59));
        assert_ne!(told(1, 0), told(1, 60));
        assert_ne!(told(1, 0), told(2, 0));
        assert_ne!(told(1, 0), blurred(&SealKey::new([4; 32]), walker(1), at, start));
    }

    proptest! {
        #[test]
        fn what_is_told_is_500_m_to_1500_m_away(
            lat in -70.0..70.0_f64, lon in -180.0..180.0_f64, seed in any::<u64>(), hours in 0..10_000_i64,
        ) {
            let at = GeoPoint::new(lat, lon).expect("on Earth");
            let metres = blurred(&SealKey::new([9; 32]), walker(seed), at, hour(hours)).distance_m(at);
            prop_assert!((500.0..=1_500.0).contains(&metres), "{}", metres);
        }

        #[test]
        fn a_pickup_is_within_its_square(lat in -70.0..70.0_f64, lon in -179.9..179.9_f64) {
            let at = GeoPoint::new(lat, lon).expect("on Earth");
            let middle = pickup_square(at);
            prop_assert!(middle.distance_m(at) <= 720.0, "{}", middle.distance_m(at));
            prop_assert_eq!(pickup_square(middle), middle);
        }
    }
}
