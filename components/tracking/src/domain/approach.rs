//! A walker on the way to the pets: where, and when to expect them.

use petwalker_kernel::{GeoPoint, Millis, UtcMillis};
use serde::{Deserialize, Serialize};

use super::fence::Fence;
use super::point::TrackPoint;

/// How much longer the way by streets is than the straight line: of the order that D. Levinson and A. El-Geneidy, "The
/// minimum circuity frontier and the journey to work" (2009), report of cities.
const CIRCUITY: f64 = 1.3;
/// Metres a second of somebody on foot: what is expected before anything is known.
const SPEED_M_S: f64 = 1.35;
/// What a walker is believed to keep up, metres a second: from a stroll with a stop at each light to a scooter.
const SPEEDS_M_S: std::ops::RangeInclusive<f64> = 0.7..=9.0;
/// After this many seconds a speed weighs a third of what it did.
const MEMORY_S: f64 = 90.0;
/// Fixes that are coarser say nothing of the way, metres.
const ACCURACY_MAX_M: f64 = 200.0;

/// A walker on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approach {
    /// Where.
    pub place: GeoPoint,
    /// When that was.
    pub at: UtcMillis,
    speed_m_s: f64,
    /// Radius of 68 % confidence, metres; 0 in what was stored before it was kept.
    #[serde(default)]
    pub accuracy_m: f64,
}

/// When to expect a walker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Metres left in a straight line.
    pub distance_m: f64,
    /// How long it will take, from the moment of the last fix.
    pub eta: Millis,
}

impl Approach {
    /// A walker whose first fix has come; none where it is too coarse.
    #[must_use]
    pub fn begin(fix: &TrackPoint) -> Option<Self> {
        let begun = Self { place: fix.place, at: fix.at, speed_m_s: SPEED_M_S, accuracy_m: fix.accuracy_m };
        (fix.accuracy_m <= ACCURACY_MAX_M).then_some(begun)
    }

    /// Takes one more fix. One that is older, or too coarse, changes nothing.
    pub fn take(&mut self, fix: &TrackPoint) {
        if fix.at <= self.at || fix.accuracy_m > ACCURACY_MAX_M {
            return;
        }
        let seconds = seconds(fix.at.since(self.at));
        let speed = (self.place.distance_m(fix.place) / seconds).min(*SPEEDS_M_S.end());
        let kept = (-seconds / MEMORY_S).exp();
        self.speed_m_s = self.speed_m_s * kept + speed * (1.0 - kept);
        (self.place, self.at, self.accuracy_m) = (fix.place, fix.at, fix.accuracy_m);
    }

    /// When to expect the walker at a fence.
    #[must_use]
    pub fn expected(&self, pickup: &Fence) -> Expected {
        let distance_m = pickup.circle.centre.distance_m(self.place);
        let speed = self.speed_m_s.clamp(*SPEEDS_M_S.start(), *SPEEDS_M_S.end());
        let seconds = if pickup.inside { 0.0 } else { distance_m * CIRCUITY / speed };
        Expected { distance_m, eta: millis(seconds) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a way's milliseconds fit a double exactly")]
fn seconds(span: Millis) -> f64 {
    span.get() as f64 / 1_000.0
}

#[expect(clippy::cast_possible_truncation, reason = "half of the Earth at a stroll fits")]
fn millis(seconds: f64) -> Millis {
    Millis::new((seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::Approach;
    use crate::domain::{Circle, Fence, FenceKind, TrackPoint};
    use petwalker_kernel::{GeoPoint, UtcMillis};

    fn fix(second: u32, metres: f64, accuracy_m: f64) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + i64::from(second) * 1_000);
        TrackPoint::new(1, at, (-23.55 + metres / 111_195.0, -46.63), accuracy_m, None).expect("in range")
    }

    #[test]
    fn who_is_faster_is_expected_earlier() {
        let centre = GeoPoint::new(-23.55, -46.63).expect("a place");
        let pickup = Fence::new(FenceKind::Pickup, Circle { centre, radius_m: 60.0 }).expect("in range");
        // Minutes expected 1000 m away, after ten minutes at that speed.
        for (speed_m_s, minutes) in [(0.0, 31.0), (1.35, 16.0), (4.0, 5.4), (30.0, 2.4)] {
            let from = 1_000.0 + 600.0 * speed_m_s;
            let mut approach = Approach::begin(&fix(0, from, 10.0)).expect("good");
            (1..=60).for_each(|i| {
                approach.take(&fix(i * 10, from - f64::from(i) * 10.0 * speed_m_s, 10.0));
                approach.take(&fix(i * 10 - 5, 0.0, 10.0));
                approach.take(&fix(i * 10 + 1, 0.0, 900.0));
            });
            let expected = approach.expected(&pickup);
            assert!((expected.distance_m - 1_000.0).abs() < 2.0, "{expected:?}");
            let told = f64::from(u32::try_from(expected.eta.get()).expect("few")) / 60_000.0;
            assert!((told - minutes).abs() < 0.5, "{speed_m_s} m/s: {told} min");
        }
        let there = Fence { inside: true, ..pickup };
        assert_eq!(Approach::begin(&fix(0, 30.0, 10.0)).expect("good").expected(&there).eta.get(), 0);
        assert!(Approach::begin(&fix(0, 30.0, 900.0)).is_none());
    }
}
