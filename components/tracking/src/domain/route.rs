//! From fixes to a route.
//!
//! The fixes that count are smoothed, each weighed by its accuracy, and the smoothed way is what is measured. While the
//! walker stands, only the way from the beginning of the pause to its end counts: jitter does not walk.

use std::ops::Range;

use petwalker_kernel::{GeoPoint, Millis, UtcMillis};

use super::clock::straighten;
use super::filter::smooth;
use super::judge::{Counted, Verdict, judge};
use super::plane::Origin;
use super::point::TrackPoint;
use super::window::Window;

/// A stretch without movement is a pause from this long.
const PAUSE_MIN: Millis = Millis::from_secs(60);
/// How far from where it began a pause may stray, metres.
const PAUSE_RADIUS_M: f64 = 12.0;
/// A silence is told as a gap from this long.
const GAP_MIN: Millis = Millis::from_secs(90);
/// Faster than a dog is walked, metres a second (20 km/h), and kept up for this long: the operator should look.
const HASTE_M_S: f64 = 5.5;
const HASTE_MIN: Millis = Millis::from_secs(20);
/// How restless walkers are (see [`smooth`]): by the square of their speed, and never less than the second.
const RESTLESSNESS_BY_SPEED: f64 = 0.12;
const RESTLESSNESS_MIN: f64 = 0.01;
/// For the first look, which finds the speeds.
const RESTLESSNESS_FIRST: f64 = 0.03;
/// A climb is counted in steps of at least this, metres: elevation is noisier than place.
const CLIMB_STEP_M: f64 = 3.0;

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

/// A stretch without fixes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// The last fix before it.
    pub started_at: UtcMillis,
    /// How long.
    pub lasted: Millis,
    /// From the fix before to the fix after, in a straight line, metres.
    pub straight_m: f64,
    /// Whether the straight line counts as walked.
    pub bridged: bool,
}

/// A stretch faster than a dog is walked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Haste {
    /// When it began.
    pub started_at: UtcMillis,
    /// How long.
    pub lasted: Millis,
    /// How far, metres.
    pub length_m: f64,
}

/// A counted fix with the smoothed way through it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: UtcMillis,
    /// The most likely place.
    pub place: GeoPoint,
    /// Metres above the ellipsoid, where known.
    pub elevation_m: Option<f64>,
    /// Whether the route begins anew here.
    pub begins: bool,
}

/// A walk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// Every fix in the order of time.
    pub points: Vec<Counted>,
    /// The smoothed way: a step for each fix that counts.
    pub way: Vec<Step>,
    /// Metres walked.
    pub distance_m: f64,
    /// From the first counted fix to the last.
    pub elapsed: Millis,
    /// Of that, in pauses.
    pub paused: Millis,
    /// The pauses.
    pub pauses: Vec<Pause>,
    /// Where fixes are missing.
    pub gaps: Vec<Gap>,
    /// Where it was too fast for a walk.
    pub hastes: Vec<Haste>,
    /// Metres climbed, where elevations are known.
    pub ascent_m: Option<f64>,
}

impl Route {
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
pub fn analyse(points: Vec<TrackPoint>) -> Route {
    analyse_within(points, None)
}

/// The same of those fixes that were taken in the walk's time, once clocks that jumped are put right.
#[must_use]
pub fn analyse_within(points: Vec<TrackPoint>, window: Option<Window>) -> Route {
    let points = judge(straighten(points), window);
    let way: Vec<Step> = stretches(&points).iter().flat_map(|stretch| steps(stretch)).collect();
    let (Some(first), Some(last)) = (way.first(), way.last()) else {
        return Route { points, ..Route::default() };
    };
    let elapsed = last.at.since(first.at);
    let still = stills(&way);
    let pauses: Vec<Pause> = still.iter().map(|run| pause(&way[run.clone()])).collect();
    Route {
        distance_m: distance(&way, &still),
        elapsed,
        paused: Millis::new(pauses.iter().map(|p| p.lasted.get()).sum()),
        pauses,
        gaps: gaps(&way),
        hastes: hasty(&way).into_iter().map(|run| haste(&way[run])).collect(),
        ascent_m: ascent(&way),
        points,
        way,
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

/// The smoothed way through one stretch. The first look finds the speeds; the second lets those who hurry turn faster.
fn steps(stretch: &[TrackPoint]) -> Vec<Step> {
    let origin = Origin::at(&stretch[0]);
    let fixes: Vec<_> = stretch.iter().map(|point| origin.fix(point)).collect();
    let first_look = smooth(&fixes, &vec![RESTLESSNESS_FIRST; fixes.len()]);
    let restlessness: Vec<f64> = first_look
        .iter()
        .map(|e| (RESTLESSNESS_BY_SPEED * e.speed().powi(2)).max(RESTLESSNESS_MIN))
        .collect();
    let estimates = smooth(&fixes, &restlessness);
    stretch
        .iter()
        .zip(&estimates)
        .enumerate()
        .map(|(index, (point, estimate))| Step {
            at: point.at,
            place: origin.place(estimate.place).unwrap_or(point.place),
            elevation_m: point.elevation_m,
            begins: index == 0,
        })
        .collect()
}

/// Metres along the way; of a pause, from its beginning to its end.
fn distance(way: &[Step], still: &[Range<usize>]) -> f64 {
    let mut total = 0.0;
    let mut runs = still.iter().peekable();
    let mut index = 1;
    while index < way.len() {
        let from = index - 1;
        let to = match runs.next_if(|run| run.start == from) {
            // Where the route begins anew within a pause, the way across was not measured, and is no longer than the pause.
            Some(run) => run.end - 1,
            None => index,
        };
        if !way[to].begins {
            total += way[from].place.distance_m(way[to].place);
        }
        index = to + 1;
    }
    total
}

/// The runs of steps in which the walker stands; no two share a step.
fn stills(way: &[Step]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < way.len() {
        let from = &way[start];
        let length =
            way[start..].iter().take_while(|s| s.place.distance_m(from.place) <= PAUSE_RADIUS_M).count();
        if way[start + length - 1].at.since(from.at) >= PAUSE_MIN {
            found.push(start..start + length);
            start += length;
        } else {
            start += 1;
        }
    }
    found
}

fn pause(run: &[Step]) -> Pause {
    // Where the next fix comes late, the walker stood still for part of the gap at least: the last fix is the bound.
    let lasted = run[run.len() - 1].at.since(run[0].at);
    Pause { started_at: run[0].at, lasted, place: run[0].place }
}

fn gaps(way: &[Step]) -> Vec<Gap> {
    way.windows(2)
        .filter(|pair| pair[1].at.since(pair[0].at) >= GAP_MIN)
        .map(|pair| {
            let lasted = pair[1].at.since(pair[0].at);
            Gap {
                started_at: pair[0].at,
                lasted,
                straight_m: pair[0].place.distance_m(pair[1].place),
                bridged: !pair[1].begins,
            }
        })
        .collect()
}

/// The runs of hops that are all too fast, as the steps at their ends and between; no two share a hop.
fn hasty(way: &[Step]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (index, pair) in way.windows(2).enumerate() {
        let seconds = seconds(pair[1].at.since(pair[0].at));
        if pair[1].begins || pair[0].place.distance_m(pair[1].place) <= HASTE_M_S * seconds {
            continue;
        }
        match found.last_mut() {
            Some(run) if run.end == index + 1 => run.end = index + 2,
            _ => found.push(index..index + 2),
        }
    }
    found.retain(|run| way[run.end - 1].at.since(way[run.start].at) >= HASTE_MIN);
    found
}

fn haste(run: &[Step]) -> Haste {
    Haste {
        started_at: run[0].at,
        lasted: run[run.len() - 1].at.since(run[0].at),
        length_m: run.windows(2).map(|pair| pair[0].place.distance_m(pair[1].place)).sum(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a walk's milliseconds fit a double exactly")]
fn seconds(span: Millis) -> f64 {
    span.get() as f64 / 1_000.0
}

fn ascent(way: &[Step]) -> Option<f64> {
    let mut heights = way.iter().filter_map(|s| s.elevation_m);
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
mod recorded;

#[cfg(test)]
mod tests {
    use super::analyse;
    use crate::domain::{TrackPoint, Verdict};
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
        assert!((route.distance_m - 140.0).abs() < 1.0, "{}", route.distance_m);
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
