//! Clocks that jump: the order of a device's points is known by their numbers, whatever its clock said.
//!
//! A clock that was ahead for a while and came back leaves a run of points that fits between its neighbours: the run is
//! moved there. A clock that was set back for good leaves earlier points that were ahead: all of them are moved, since the
//! later setting is taken for the better one. A clock that was set ahead for good looks like a silence, and is told as one.

use petwalker_kernel::Millis;

use super::point::TrackPoint;

/// A device whose clock goes back more often than this is not put right; its points are taken by time as it told them.
const JUMPS_MAX: usize = 100;

/// The points in the order of time, with the times of a clock that did not jump back.
pub(super) fn straighten(mut points: Vec<TrackPoint>) -> Vec<TrackPoint> {
    points.sort_by_key(|p| p.seq);
    let jumps: Vec<usize> = (1..points.len()).filter(|index| goes_back(&points, *index)).collect();
    if !jumps.is_empty() && jumps.len() <= JUMPS_MAX {
        put_right(&mut points, &jumps);
    }
    // A single fix that came late keeps its time, and its place by that.
    points.sort_by_key(|p| (p.at, p.seq));
    points
}

/// Whether the clock went back at a point: it is earlier than the one before it, and what follows is so too.
fn goes_back(points: &[TrackPoint], index: usize) -> bool {
    let before = points[index - 1].at;
    points[index].at < before && points.get(index + 1).is_none_or(|next| next.at < before)
}

fn put_right(points: &mut [TrackPoint], jumps: &[usize]) {
    let step = usual_step(points);
    // Instead of moving all earlier points back, all later ones are moved ahead, and everything back at the end.
    let mut ahead = Millis::default();
    let mut next = 0;
    for &jump in jumps {
        shift(&mut points[next..jump], ahead);
        next = jump;
        let here = points[jump].at.plus(ahead);
        let excess = points[jump - 1].at.plus(step).since(here);
        let run = points[..jump].partition_point(|p| p.at < here);
        let fits = run > 0 && points[run].at.plus(Millis::new(-excess.get())) > points[run - 1].at;
        if fits {
            shift(&mut points[run..jump], Millis::new(-excess.get()));
        } else {
            ahead = Millis::new(ahead.get() + excess.get().max(0));
        }
    }
    shift(&mut points[next..], ahead);
    shift(points, Millis::new(-ahead.get()));
}

fn shift(points: &mut [TrackPoint], by: Millis) {
    points.iter_mut().for_each(|p| p.at = p.at.plus(by));
}

/// The median time from one point to the next.
fn usual_step(points: &[TrackPoint]) -> Millis {
    let steps = points.windows(2).map(|pair| pair[1].at.since(pair[0].at).get());
    let mut steps: Vec<i64> = steps.filter(|ms| *ms > 0).collect();
    steps.sort_unstable();
    Millis::new(steps.get(steps.len() / 2).copied().unwrap_or(1_000))
}

#[cfg(test)]
mod tests {
    use super::straighten;
    use crate::domain::{TrackPoint, analyse};
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    const START_MS: i64 = 1_780_000_000_000;

    /// Seconds by which a clock is wrong at a point.
    type Clock = fn(u32) -> i64;

    /// A walk northwards at 1.4 m/s with a fix each 5 s, by a clock that is `off` seconds wrong at each of them.
    fn walk(off: impl Fn(u32) -> i64) -> Vec<TrackPoint> {
        let point = |i: u32| {
            let at = UtcMillis::new(START_MS + (i64::from(i) * 5 + off(i)) * 1_000);
            TrackPoint::new(i + 1, at, (-23.55 + f64::from(i) * 7.0 / 111_195.0, -46.63), 4.0, None)
        };
        (0..200).map(|i| point(i).expect("in range")).collect()
    }

    #[test]
    fn a_clock_that_jumps_changes_neither_the_way_nor_its_time() {
        let right = analyse(walk(|_| 0));
        let cases: [(&str, Clock); 8] = [
            ("ahead for a while", |i| if (50..120).contains(&i) { 3_600 } else { 0 }),
            ("ahead for one fix", |i| if i == 50 { 86_400 } else { 0 }),
            ("ahead from the start, then set right", |i| if i < 80 { 7_200 } else { 0 }),
            ("set back for good", |i| if i >= 80 { -400 } else { 0 }),
            ("set back by little", |i| if i >= 80 { -30 } else { 0 }),
            ("back for a while", |i| if (60..90).contains(&i) { -3_600 } else { 0 }),
            ("back, and ahead, and back", |i| [0, -100, 0, -500][i as usize / 50]),
            ("late for one fix", |i| if i == 50 { -8 } else { 0 }),
        ];
        for (name, off) in cases {
            let route = analyse(walk(off));
            assert!((route.distance_m - right.distance_m).abs() < 15.0, "{name}: {}", route.distance_m);
            let elapsed = route.elapsed.get() - right.elapsed.get();
            // Clocks that go ahead for good leave the silence that they look like.
            let silence = match name {
                "back for a while" => 3_600_000,
                "back, and ahead, and back" => 100_000,
                _ => 0,
            };
            assert!((elapsed - silence).abs() <= 5_000, "{name}: {elapsed} ms");
        }
    }

    proptest! {
        #[test]
        fn no_point_is_lost_and_time_never_goes_back(
            jumps in proptest::collection::vec((0_u32..200, -90_000_i64..90_000), 0..150),
        ) {
            let points = walk(|i| jumps.iter().filter(|(at, _)| i >= *at).map(|(_, off)| off).sum::<i64>() / 10);
            let straight = straighten(points.clone());
            prop_assert!(straight.windows(2).all(|pair| pair[0].at <= pair[1].at));
            let mut seqs: Vec<u32> = straight.iter().map(|p| p.seq).collect();
            seqs.sort_unstable();
            prop_assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
        }

        #[test]
        fn a_clock_that_does_not_go_back_is_left_alone(steps in proptest::collection::vec(0_i64..600, 200)) {
            let mut at = 0;
            let points: Vec<_> = walk(|_| 0).into_iter().zip(&steps).map(|(mut p, step)| {
                at += step;
                p.at = UtcMillis::new(START_MS + at * 1_000);
                p
            }).collect();
            prop_assert_eq!(straighten(points.clone()), points);
        }
    }
}
