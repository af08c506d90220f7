//! Which fixes count.
//!
//! One that is too coarse, taken out of the walk's time, or farther from the last good one than anybody moves in the time
//! between, does not count; it stays stored. A run of fixes that the route does not come back from is taken as the better truth. Where they can be
//! reached from a fix shortly before, the receiver was late and caught up, and the way counts; otherwise the route begins
//! anew there. So it does after a long silence in which the walker went somewhere: nothing was measured in it.

use petwalker_kernel::Millis;

use super::point::TrackPoint;
use super::window::Window;

/// Fixes coarser than this do not count, metres.
pub(super) const ACCURACY_COUNTED_M: f64 = 50.0;
/// Faster than anybody moves with a dog, metres a second.
const SPEED_MAX_M_S: f64 = 12.0;
/// A silence after which the route begins anew.
const SILENCE_MAX: Millis = Millis::from_mins(5);
/// Unless it goes on this near, metres: then the straight line is as good as any.
const SILENCE_NEAR_M: f64 = 100.0;
/// How far back a receiver may have been late.
const LATE_MAX: Millis = Millis::from_secs(60);
/// Jumps in a row after which the place jumped to is believed.
pub(super) const JUMPS_BELIEVED: usize = 3;

/// What became of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counted,
    /// Too coarse.
    Inaccurate,
    /// Too far for the time.
    Jump,
    /// Taken before the walk or after what can be known.
    OutOfTime,
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

/// A verdict for each fix; they are in the order of time. Without a window every time is good.
pub(super) fn judge(points: Vec<TrackPoint>, window: Option<Window>) -> Vec<Counted> {
    let mut judged: Vec<Counted> = Vec::with_capacity(points.len());
    let mut last_good: Option<TrackPoint> = None;
    // Jumps since the last good fix that agree among themselves.
    let mut strays: Vec<usize> = Vec::new();
    for point in points {
        let index = judged.len();
        let verdict = match last_good {
            _ if window.is_some_and(|window| !window.holds(point.at)) => Verdict::OutOfTime,
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
            let first = judged[strays[0]].point;
            judged[strays[0]].begins = !caught_up(&judged[..strays[0]], &first);
            for stray in strays.drain(..) {
                judged[stray].verdict = Verdict::Counted;
            }
            last_good = Some(point);
        }
    }
    mark_silences(&mut judged);
    judged
}

fn mark_silences(points: &mut [Counted]) {
    let mut last: Option<TrackPoint> = None;
    for counted in points.iter_mut().filter(|p| p.verdict == Verdict::Counted) {
        let silent = last.is_none_or(|last| {
            counted.point.at.since(last.at) > SILENCE_MAX
                && counted.point.place.distance_m(last.place) > SILENCE_NEAR_M
        });
        counted.begins |= silent;
        last = Some(counted.point);
    }
}

/// Whether a fix can be reached from one shortly before.
fn caught_up(before: &[Counted], point: &TrackPoint) -> bool {
    let counted = before.iter().rev().filter(|p| p.verdict == Verdict::Counted).map(|p| &p.point);
    counted.take_while(|p| point.at.since(p.at) <= LATE_MAX).any(|p| walkable(p, point))
}

/// Whether one can walk from one fix to the other in the time between, the fixes' own error allowed for.
pub(super) fn walkable(from: &TrackPoint, to: &TrackPoint) -> bool {
    let metres = from.place.distance_m(to.place) - from.accuracy_m - to.accuracy_m;
    metres <= SPEED_MAX_M_S * to.seconds_since(from).max(0.0)
}
