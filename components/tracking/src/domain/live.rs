//! Figures of a walk while it goes on, from one point to the next. The route that is billed is worked out afresh from all
//! points when the walk is over.

use petwalker_kernel::{GeoPoint, Millis, UtcMillis};
use serde::{Deserialize, Serialize};

use super::filter::{Estimate, Plane};
use super::judge::{ACCURACY_COUNTED_M, JUMPS_BELIEVED, walkable};
use super::plane::Origin;
use super::point::TrackPoint;

/// Filters how restless walkers are, for a look that cannot see what comes.
const RESTLESSNESS: f64 = 0.1;
/// Movements smaller than this are jitter, metres.
const STEP_MIN_M: f64 = 6.0;

/// A walk as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// The first fix, from which places are counted.
    origin: TrackPoint,
    /// The newest that counts.
    newest: TrackPoint,
    estimate: Estimate,
    /// Where the distance was last added up, and when.
    anchor: Plane,
    anchor_at: UtcMillis,
    /// Metres up to the anchor.
    settled_m: f64,
    /// Fixes in a row that nobody can have walked to, or that are dated before the newest.
    strays: u8,
}

impl Live {
    /// A walk that begins at a fix; none where the fix is too coarse to begin at.
    #[must_use]
    pub fn begin(point: &TrackPoint) -> Option<Self> {
        let fix = Origin::at(point).fix(point);
        (point.accuracy_m <= ACCURACY_COUNTED_M).then(|| Self {
            origin: *point,
            newest: *point,
            estimate: Estimate::begin(&fix),
            anchor: fix.place,
            anchor_at: point.at,
            settled_m: 0.0,
            strays: 0,
        })
    }

    /// Takes one more fix. One that is older than the newest, or does not count, changes no figure; several that the device
    /// took later and dates earlier do: its clock went back.
    pub fn take(&mut self, point: &TrackPoint) {
        let earlier = point.at <= self.newest.at;
        if point.accuracy_m > ACCURACY_COUNTED_M || (earlier && point.seq <= self.newest.seq) {
            return;
        }
        let fix = Origin::at(&self.origin).fix(point);
        if !earlier && walkable(&self.newest, point) {
            self.strays = 0;
            self.estimate = self.estimate.step(&fix, RESTLESSNESS);
        } else {
            self.strays += 1;
            if usize::from(self.strays) < JUMPS_BELIEVED {
                return;
            }
            // The walk goes on from here; the way here was not walked.
            self.strays = 0;
            self.estimate = Estimate::begin(&fix);
            (self.anchor, self.anchor_at) = (fix.place, point.at);
        }
        self.newest = *point;
        let moved = self.moved_m();
        if moved > STEP_MIN_M.max(point.accuracy_m / 2.0) {
            self.settled_m += moved;
            (self.anchor, self.anchor_at) = (self.estimate.place, point.at);
        }
    }

    fn moved_m(&self) -> f64 {
        (self.estimate.place[0] - self.anchor[0]).hypot(self.estimate.place[1] - self.anchor[1])
    }

    /// Metres walked so far, about.
    #[must_use]
    pub const fn distance_m(&self) -> f64 {
        self.settled_m
    }

    /// How long the walker has stood.
    #[must_use]
    pub const fn still(&self) -> Millis {
        self.newest.at.since(self.anchor_at)
    }

    /// Metres a second.
    #[must_use]
    pub fn speed_m_s(&self) -> f64 {
        self.estimate.speed()
    }

    /// The most likely place.
    #[must_use]
    pub fn place(&self) -> GeoPoint {
        Origin::at(&self.origin).place(self.estimate.place).unwrap_or(self.newest.place)
    }

    /// Whether this is the newest fix that counts.
    #[must_use]
    pub fn is_at(&self, point: &TrackPoint) -> bool {
        self.newest == *point
    }

    /// When the newest fix that counts was taken.
    #[must_use]
    pub const fn at(&self) -> UtcMillis {
        self.newest.at
    }
}

#[cfg(test)]
mod tests {
    use super::Live;
    use crate::domain::TrackPoint;
    use petwalker_kernel::UtcMillis;

    fn point(second: u32, north_m: f64, accuracy_m: f64) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + i64::from(second) * 1_000);
        let place = (-23.55 + north_m / 111_195.0, -46.63);
        TrackPoint::new(second + 1, at, place, accuracy_m, None).expect("in range")
    }

    fn walk(points: impl IntoIterator<Item = TrackPoint>) -> Live {
        let mut points = points.into_iter();
        let mut live = Live::begin(&points.next().expect("one")).expect("good");
        points.for_each(|point| live.take(&point));
        live
    }

    #[test]
    fn a_walk_grows_and_a_stand_does_not() {
        let live = walk((0..100).map(|i| point(i * 5, 7.0 * f64::from(i), 5.0)));
        assert!((live.distance_m() - 693.0).abs() < 20.0, "{live:?}");
        assert!(live.speed_m_s() > 1.2 && live.still().get() <= 5_000, "{live:?}");
        let wobble = [0.0, 4.0, -3.0, 2.0, -4.0, 1.0];
        let live = walk((0..100_u32).map(|i| point(i * 5, wobble[i as usize % 6], 8.0)));
        assert!(live.distance_m() < 10.0 && live.still().get() > 400_000, "{live:?}");
    }

    #[test]
    fn a_clock_that_goes_back_does_not_stop_the_figures() {
        let mut live = walk((0..20).map(|i| point(i * 5, 7.0 * f64::from(i), 5.0)));
        let ahead = |i: u32| TrackPoint {
            at: UtcMillis::new(1_790_000_000_000),
            ..point(i * 5, 7.0 * f64::from(i), 5.0)
        };
        live.take(&ahead(20));
        let before = live;
        // One fix that comes late changes nothing.
        live.take(&TrackPoint { seq: 50, ..point(99, 138.0, 5.0) });
        assert!((live.distance_m() - before.distance_m()).abs() < f64::EPSILON);
        (21..60).for_each(|i| live.take(&point(i * 5, 7.0 * f64::from(i), 5.0)));
        assert!(live.distance_m() > 360.0 && live.distance_m() < 420.0, "{live:?}");
        assert_eq!(live.at(), point(295, 0.0, 5.0).at);
    }

    #[test]
    fn coarse_late_and_impossible_fixes_change_nothing() {
        let mut live = walk((0..20).map(|i| point(i * 5, 7.0 * f64::from(i), 5.0)));
        let before = live;
        live.take(&point(100, 140.0, 80.0));
        live.take(&point(50, 500.0, 5.0));
        assert_eq!(live, before);
        live.take(&point(100, 9_000.0, 5.0));
        assert!((live.distance_m() - before.distance_m()).abs() < f64::EPSILON);
        live.take(&point(105, 9_007.0, 5.0));
        live.take(&point(110, 9_014.0, 5.0));
        assert!((live.distance_m() - before.distance_m()).abs() < f64::EPSILON, "the jump was walked");
        live.take(&point(130, 9_042.0, 5.0));
        assert!(live.distance_m() > before.distance_m() + 15.0, "{live:?}");
    }
}
