//! How often and how well the device should look where it is: enough for the route, no more than the battery bears.

use petwalker_kernel::Millis;

use super::fence::Fences;
use super::live::Live;

/// How well to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccuracyClass {
    /// The receiver of satellites.
    High,
    /// Networks around, and sensors of movement; about 50 m.
    Balanced,
}

/// What the device should do until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Between one fix and the next.
    pub interval: Millis,
    /// How well.
    pub accuracy: AccuracyClass,
}

/// Standing for this long, the dog is taken to rest.
const REST: Millis = Millis::from_mins(2);
/// Faster than this the way bends more between two fixes, metres a second.
const BRISK_M_S: f64 = 2.0;

/// So near a fence it may be crossed before the next fix, metres.
const BORDER_NEAR_M: f64 = 40.0;

/// What a device should do, by how the walk goes, how near a fence it is, and whether anybody is watching.
#[must_use]
pub fn precision(live: Option<&Live>, fences: &Fences, watched: bool) -> Precision {
    let near = |live: &Live| fences.border_m(live.place()).is_some_and(|metres| metres < BORDER_NEAR_M);
    let (interval, accuracy) = match live {
        Some(live) if live.still() >= REST => (if watched { 15 } else { 30 }, AccuracyClass::Balanced),
        Some(live) if live.speed_m_s() > BRISK_M_S || near(live) => (4, AccuracyClass::High),
        Some(_) if !watched => (8, AccuracyClass::High),
        Some(_) | None => (5, AccuracyClass::High),
    };
    Precision { interval: Millis::from_secs(interval), accuracy }
}

#[cfg(test)]
mod tests {
    use super::{AccuracyClass, precision};
    use crate::domain::{Circle, Fence, FenceKind, Fences, Live, TrackPoint};
    use petwalker_kernel::UtcMillis;

    /// The seconds between fixes after five minutes at that speed, so many metres inside an area.
    fn asked(speed_m_s: f64, watched: bool, inside_m: f64) -> (i64, AccuracyClass) {
        let point = |i: u32| {
            let at = UtcMillis::new(1_780_000_000_000 + i64::from(i) * 5_000);
            let north = f64::from(i) * 5.0 * speed_m_s / 111_195.0;
            TrackPoint::new(i + 1, at, (-23.55 + north, -46.63), 5.0, None).expect("in range")
        };
        let mut live = Live::begin(&point(0)).expect("good");
        (1..60).for_each(|i| live.take(&point(i)));
        let mut fences = Fences::default();
        let circle = Circle { centre: live.place(), radius_m: inside_m };
        fences.set(Fence::new(FenceKind::Area, circle).expect("in range"));
        let asked = precision(Some(&live), &fences, watched);
        (asked.interval.get() / 1_000, asked.accuracy)
    }

    #[test]
    fn who_rests_or_is_not_watched_is_asked_less() {
        use AccuracyClass::{Balanced, High};
        for (speed, watched, inside_m, expected) in [
            (0.0, false, 500.0, (30, Balanced)),
            (0.0, true, 500.0, (15, Balanced)),
            (0.0, false, 30.0, (30, Balanced)),
            (1.2, false, 500.0, (8, High)),
            (1.2, false, 30.0, (4, High)),
            (1.2, true, 500.0, (5, High)),
            (1.2, true, 30.0, (4, High)),
            (3.0, false, 500.0, (4, High)),
            (3.0, true, 500.0, (4, High)),
        ] {
            let seen = asked(speed, watched, inside_m);
            assert_eq!(seen, expected, "{speed} m/s, watched: {watched}, border in {inside_m} m");
        }
        assert_eq!(precision(None, &Fences::default(), false).interval.get(), 5_000);
    }
}
