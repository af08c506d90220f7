//! Whether a walker was seen at the pickup.

use petwalker_kernel::{GeoPoint, Millis, UtcMillis};

/// A fix tells where a walker is for so long.
pub const FIX_AGE_MAX: Millis = Millis::from_mins(2);
/// A device's clock may be ahead by so much.
const CLOCK_AHEAD_MAX: Millis = Millis::from_mins(1);
/// So near the pickup a walker is there, metres.
pub const PICKUP_REACH_M: f64 = 150.0;
/// What a fix's own error adds to that at most, metres.
const ACCURACY_ALLOWED_M: f64 = 100.0;

/// Where a walker's device was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Where.
    pub place: GeoPoint,
    /// When, by the clock of whoever noted it.
    pub at: UtcMillis,
    /// Radius of 68 % confidence, metres.
    pub accuracy_m: f64,
}

/// Why a walker was not seen at the pickup, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeen {
    /// No fix is fresh.
    #[error(
        "nothing shows that you are at the pickup: send a fix of the last 2 minutes with PUT /v1/rides/{{id}}/approach, \
         then try again"
    )]
    NoFix,
    /// The newest is too far away.
    #[error("your last fix is {0} m from the pickup: come within 150 m, send a fix, then try again")]
    TooFar(u32),
}

/// That the newest fresh fix is at the pickup.
///
/// # Errors
/// When there is none, or it is too far away.
pub fn seen_at_pickup(pickup: GeoPoint, fixes: &[Fix], now: UtcMillis) -> Result<(), NotSeen> {
    let fresh = |fix: &&Fix| fix.at <= now.plus(CLOCK_AHEAD_MAX) && now.since(fix.at) <= FIX_AGE_MAX;
    let newest = fixes.iter().filter(fresh).max_by_key(|fix| fix.at).ok_or(NotSeen::NoFix)?;
    let distance_m = pickup.distance_m(newest.place);
    if distance_m <= PICKUP_REACH_M + newest.accuracy_m.clamp(0.0, ACCURACY_ALLOWED_M) {
        return Ok(());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a distance on Earth fits")]
    Err(NotSeen::TooFar(distance_m.round() as u32))
}

#[cfg(test)]
mod tests {
    use super::{Fix, NotSeen, seen_at_pickup};
    use petwalker_kernel::{GeoPoint, Millis, UtcMillis};

    const NOW: UtcMillis = UtcMillis::new(1_790_000_000_000);

    fn north(metres: f64) -> GeoPoint {
        GeoPoint::new(-23.55 + metres / 111_195.08, -46.63).expect("on Earth")
    }

    fn fix(metres: f64, age_s: i64, accuracy_m: f64) -> Fix {
        Fix { place: north(metres), at: NOW.plus(Millis::from_secs(-age_s)), accuracy_m }
    }

    #[test]
    fn a_fresh_fix_near_the_pickup_is_needed() {
        for (fixes, expected) in [
            (vec![], Err(NotSeen::NoFix)),
            (vec![fix(10.0, 0, 5.0)], Ok(())),
            (vec![fix(10.0, 120, 5.0)], Ok(())),
            (vec![fix(10.0, 121, 5.0)], Err(NotSeen::NoFix)),
            (vec![fix(10.0, -60, 5.0)], Ok(())),
            (vec![fix(10.0, -61, 5.0)], Err(NotSeen::NoFix)),
            (vec![fix(149.0, 0, 0.0)], Ok(())),
            (vec![fix(240.0, 0, 95.0)], Ok(())),
            (vec![fix(260.0, 0, 9_000.0)], Err(NotSeen::TooFar(260))),
            (vec![fix(1_000.0, 5, 5.0)], Err(NotSeen::TooFar(1_000))),
            // The newest counts: who was there and has gone is not there.
            (vec![fix(10.0, 60, 5.0), fix(500.0, 10, 5.0)], Err(NotSeen::TooFar(500))),
            (vec![fix(10.0, 10, 5.0), fix(500.0, 60, 5.0)], Ok(())),
        ] {
            assert_eq!(seen_at_pickup(north(0.0), &fixes, NOW), expected, "{fixes:?}");
        }
    }
}
