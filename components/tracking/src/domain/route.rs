//! From fixes to a route.
//!
//! Fixes are put in the order of their times. One that is too coarse, or farther from the last good one than anybody
//! moves in the time between, does not count; it stays stored. A run of fixes that the route does not come back from is
//! taken as the better truth, and the route begins anew there. So it does after a long silence: nothing was measured in
//! it. Small movements within the accuracy of the fixes are jitter and add no distance.

use petwalker_kernel::{GeoPoint, Millis, UtcMillis};

use super::point::TrackPoint;

/// Fixes coarser than this do not count, metres.
const ACCURACY_COUNTED_M: f64 = 50.0;
/// Faster than anybody moves with a dog, metres a second.
const SPEED_MAX_M_S: f64 = 12.0;
/// A silence after which the route begins anew.
const SILENCE_MAX: Millis = Millis::from_mins(5);
/// Jumps in a row after which the place jumped to is believed.
const JUMPS_BELIEVED: usize = 3;
/// A stretch without movement is a pause from this long.
const PAUSE_MIN: Millis = Millis::from_secs(60);
/// How far apart the fixes of a pause may be, metres.
const PAUSE_RADIUS_M: f64 = 20.0;
/// A climb is counted in steps of at least this, metres: elevation is noisier than place.
const CLIMB_STEP_M: f64 = 3.0;

/// What became of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counted,
    /// Too coarse.
    Inaccurate,
    /// Too far for the time.
    Jump,
}

/// A fix with what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// The fix.
    pub point: TrackPoint,
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether the route begins anew at it: the way to it was not measured.
    pub begins: bool,
}

/// A stretch without movement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pause {
    /// When it began.
    pub started_at: UtcMillis,
    /// How long.
    pub lasted: Millis,
    /// Where.
    pub place: GeoPoint,
}

/// A walk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// Every fix in the order of time.
    pub points: Vec<Counted>,
    /// Metres walked.
    pub distance_m: f64,
    /// From the first counted fix to the last.
    pub elapsed: Millis,
    /// Of that, in pauses.
    pub paused: Millis,
    /// The pauses.
    pub pauses: Vec<Pause>,
    /// Metres climbed, where elevations are known.
    pub ascent_m: Option<f64>,
}

impl Route {
    /// The fixes that count, in order.
    pub fn counted(&self) -> impl Iterator<Item = &TrackPoint> {
        self.points.iter().filter(|p| p.verdict == Verdict::Counted).map(|p| &p.point)
    }

    /// How many fixes had that verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.points.iter().filter(|p| p.verdict == verdict).count()
    }

    /// Time in motion.
    #[must_use]
    pub fn moving(&self) -> Millis {
        Millis::new(self.elapsed.get() - self.paused.get())
    }
}

/// The route that fixes make, in whatever order they come.
#[must_use]
pub fn analyse(mut points: Vec<TrackPoint>) -> Route {
    points.sort_by_key(|p| (p.at, p.seq));
    let points = judge(points);
    let mut route = Route { points, ..Route::default() };
    mark_silences(&mut route.points);
    let stretches = stretches(&route.points);
    let counted: Vec<TrackPoint> = route.counted().copied().collect();
    let (Some(first), Some(last)) = (counted.first(), counted.last()) else { return route };
    route.elapsed = last.at.since(first.at);
    route.distance_m = stretches.iter().map(|stretch| distance(stretch)).sum();
    route.pauses = pauses(&counted);
    route.paused = Millis::new(route.pauses.iter().map(|p| p.lasted.get()).sum());
    route.ascent_m = ascent(&counted);
    route
}

fn judge(points: Vec<TrackPoint>) -> Vec<Counted> {
    let mut judged: Vec<Counted> = Vec::with_capacity(points.len());
    let mut last_good: Option<TrackPoint> = None;
    // Jumps since the last good fix that agree among themselves.
    let mut strays: Vec<usize> = Vec::new();
    for point in points {
        let index = judged.len();
        let verdict = match last_good {
            _ if point.accuracy_m > ACCURACY_COUNTED_M => Verdict::Inaccurate,
            Some(last) if !walkable(&last, &point) => {
                if strays.last().is_some_and(|&s| !walkable(&judged[s].point, &point)) {
                    strays.clear();
                }
                strays.push(index);
                Verdict::Jump
            }
            _ => Verdict::Counted,
        };
        judged.push(Counted { point, verdict, begins: false });
        if verdict == Verdict::Counted {
            last_good = Some(point);
            strays.clear();
        }
        if strays.len() >= JUMPS_BELIEVED {
            judged[strays[0]].begins = true;
            for stray in strays.drain(..) {
                judged[stray].verdict = Verdict::Counted;
            }
            last_good = Some(point);
        }
    }
    judged
}

fn mark_silences(points: &mut [Counted]) {
    let mut last: Option<UtcMillis> = None;
    for counted in points.iter_mut().filter(|p| p.verdict == Verdict::Counted) {
        let silent = last.is_none_or(|at| counted.point.at.since(at) > SILENCE_MAX);
        counted.begins |= silent;
        last = Some(counted.point.at);
    }
}

/// The counted fixes, split where the route begins anew.
fn stretches(points: &[Counted]) -> Vec<Vec<TrackPoint>> {
    let mut found: Vec<Vec<TrackPoint>> = Vec::new();
    for counted in points.iter().filter(|p| p.verdict == Verdict::Counted) {
        match found.last_mut() {
            Some(stretch) if !counted.begins => stretch.push(counted.point),
            _ => found.push(vec![counted.point]),
        }
    }
    found
}

/// Whether one can walk from one fix to the other in the time between, the fixes' own error allowed for.
fn walkable(from: &TrackPoint, to: &TrackPoint) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a walk's milliseconds fit a double exactly")]
    let seconds = to.at.since(from.at).get() as f64 / 1000.0;
    let metres = from.place.distance_m(to.place) - from.accuracy_m - to.accuracy_m;
    metres <= SPEED_MAX_M_S * seconds.max(0.0)
}

/// Metres along the fixes. A fix within the error of the last one that was counted from adds nothing: while the dog
/// sniffs, jitter does not walk.
fn distance(points: &[TrackPoint]) -> f64 {
    let mut total = 0.0;
    let mut anchor = points[0];
    for point in &points[1..] {
        let step = anchor.place.distance_m(point.place);
        let jitter = anchor.accuracy_m.min(point.accuracy_m).min(10.0) / 2.0;
        if step > jitter {
            total += step;
            anchor = *point;
        }
    }
    total + anchor.place.distance_m(points[points.len() - 1].place)
}

fn pauses(points: &[TrackPoint]) -> Vec<Pause> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < points.len() {
        let from = points[start];
        let length =
            points[start..].iter().take_while(|p| p.place.distance_m(from.place) <= PAUSE_RADIUS_M).count();
        let last = points[start + length - 1];
        // Where the next fix comes late, the walker stood still for part of the gap at least: the last fix is the bound.
        let lasted = last.at.since(from.at);
        if lasted >= PAUSE_MIN {
            found.push(Pause { started_at: from.at, lasted, place: from.place });
            start += length;
        } else {
            start += 1;
        }
    }
    found
}

fn ascent(points: &[TrackPoint]) -> Option<f64> {
    let mut heights = points.iter().filter_map(|p| p.elevation_m);
    let mut level = heights.next()?;
    let mut climbed = 0.0;
    for height in heights {
        if height >= level + CLIMB_STEP_M {
            climbed += height - level;
            level = height;
        } else if height <= level - CLIMB_STEP_M {
            level = height;
        }
    }
    Some(climbed)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, analyse};
    use crate::domain::TrackPoint;
    use petwalker_kernel::{GeoPoint, UtcMillis};
    use proptest::prelude::*;

    const START_MS: i64 = 1_780_000_000_000;

    /// A point `east_m` metres east of a place, `second` seconds after the start.
    fn point(seq: u32, second: i64, east_m: f64, accuracy_m: f64) -> TrackPoint {
        let lon = -46.63 + (east_m / (6_371_008.8 * (-23.55_f64).to_radians().cos())).to_degrees();
        TrackPoint::new(seq, UtcMillis::new(START_MS + second * 1_000), (-23.55, lon), accuracy_m, None)
            .expect("in range")
    }

    fn straight(n: u32) -> Vec<TrackPoint> {
        (0..n).map(|i| point(i + 1, i64::from(i) * 5, f64::from(i) * 7.0, 4.0)).collect()
    }

    #[test]
    fn a_straight_walk_is_as_long_as_it_is() {
        let route = analyse(straight(101));
        assert!((route.distance_m - 700.0).abs() < 0.5, "{}", route.distance_m);
        assert_eq!((route.elapsed.get(), route.pauses.len()), (500_000, 0));
    }

    #[test]
    fn a_jump_is_kept_and_not_counted() {
        let mut points = straight(101);
        points[50] = point(51, 250, 5_000.0, 4.0);
        points[60] = point(61, 300, 420.0, 200.0);
        let route = analyse(points);
        assert_eq!((route.count(Verdict::Jump), route.count(Verdict::Inaccurate)), (1, 1));
        assert!((route.distance_m - 700.0).abs() < 0.5, "{}", route.distance_m);
        assert_eq!(route.points.len(), 101);
    }

    #[test]
    fn a_place_that_is_kept_to_is_believed() {
        let mut points = straight(20);
        points.extend(
            (0..20).map(|i| point(21 + i, 100 + i64::from(i) * 5, 9_000.0 + f64::from(i) * 7.0, 4.0)),
        );
        let route = analyse(points);
        assert_eq!(route.count(Verdict::Jump), 0);
    }

    #[test]
    fn jitter_while_standing_adds_next_to_nothing_and_is_a_pause() {
        let wobble = [0.0, 1.5, -1.0, 0.8, -1.8, 1.2];
        let mut points = straight(11);
        points.extend(
            (0..60).map(|i| point(12 + i, 55 + i64::from(i) * 5, 70.0 + wobble[i as usize % 6], 6.0)),
        );
        let route = analyse(points);
        assert!(route.distance_m < 75.0, "{}", route.distance_m);
        assert_eq!(route.pauses.len(), 1);
        assert!(route.paused.get() > 290_000, "{:?}", route.paused);
    }

    #[test]
    fn a_silence_is_not_walked() {
        let mut points = straight(11);
        points.extend(
            (0..11).map(|i| point(12 + i, 1_000 + i64::from(i) * 5, 1_000.0 + f64::from(i) * 7.0, 4.0)),
        );
        let route = analyse(points);
        assert!((route.distance_m - 140.0).abs() < 0.5, "{}", route.distance_m);
        assert_eq!(route.points.iter().filter(|p| p.begins).count(), 2);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(seed in any::<u64>()) {
            let mut points = straight(40);
            let sorted = analyse(points.clone());
            let mut state = seed;
            for i in (1..points.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                points.swap(i, usize::try_from(state >> 33).expect("fits") % (i + 1));
            }
            prop_assert_eq!(analyse(points), sorted);
        }

        #[test]
        fn any_points_make_a_route(
            raw in proptest::collection::vec((1_u32..500, 0_i64..100_000, -80.0..80.0_f64, -179.0..179.0_f64, 0.0..300.0_f64), 0..60),
        ) {
            let points: Vec<_> = raw.into_iter().map(|(seq, s, lat, lon, accuracy)| TrackPoint {
                seq, at: UtcMillis::new(START_MS + s * 1_000), place: GeoPoint::new(lat, lon).expect("on Earth"),
                accuracy_m: accuracy, elevation_m: None,
            }).collect();
            let count = points.len();
            let route = analyse(points);
            prop_assert_eq!(route.points.len(), count);
            prop_assert!(route.distance_m >= 0.0 && route.distance_m.is_finite());
            prop_assert!(route.paused <= route.elapsed);
        }
    }
}
