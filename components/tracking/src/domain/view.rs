//! A route as somebody may see it: without what is hidden from them, and no finer than they ask.

use petwalker_kernel::GeoPoint;

use super::circle::Circle;
use super::plane::Origin;
use super::route::{Route, Step};

/// The coarsest that can be asked for, metres.
pub const TOLERANCE_M_MAX: f64 = 1_000.0;

/// How a route is to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// How far from the route its lines may be, metres; 0 for every step.
    pub tolerance_m: f64,
    /// What is hidden.
    pub hidden: Option<Circle>,
}

impl View {
    /// Whether a place may be seen.
    #[must_use]
    pub fn shows(&self, place: GeoPoint) -> bool {
        self.hidden.is_none_or(|hidden| !hidden.covers(place))
    }
}

/// The lines of a route: one for each stretch that was measured without a break and is shown.
#[must_use]
pub fn lines(route: &Route, view: View) -> Vec<Vec<Step>> {
    let mut lines: Vec<Vec<Step>> = Vec::new();
    let mut broken = true;
    for step in &route.way {
        if !view.shows(step.place) {
            broken = true;
            continue;
        }
        match lines.last_mut() {
            Some(line) if !broken && !step.begins => line.push(*step),
            _ => lines.push(vec![*step]),
        }
        broken = false;
    }
    lines.into_iter().map(|line| simplify(line, view.tolerance_m)).collect()
}

/// The steps without which the line would be farther than the tolerance from what it was (D. H. Douglas and T. K. Peucker,
/// 1973).
fn simplify(line: Vec<Step>, tolerance_m: f64) -> Vec<Step> {
    if tolerance_m <= 0.0 || line.len() < 3 {
        return line;
    }
    let origin = Origin::of(line[0].place);
    let plane: Vec<_> = line.iter().map(|step| origin.plane(step.place)).collect();
    let mut kept = vec![false; line.len()];
    kept[0] = true;
    kept[line.len() - 1] = true;
    let mut spans = vec![(0, line.len() - 1)];
    while let Some((first, last)) = spans.pop() {
        let farthest = (first + 1..last)
            .map(|index| (index, off(plane[index], plane[first], plane[last])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((index, off)) = farthest.filter(|(_, off)| *off > tolerance_m) {
            debug_assert!(off > 0.0);
            kept[index] = true;
            spans.extend([(first, index), (index, last)]);
        }
    }
    line.into_iter().zip(kept).filter_map(|(step, kept)| kept.then_some(step)).collect()
}

/// Metres from a point to the stretch between two others.
fn off(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let length = along[0].hypot(along[1]);
    let offset = [point[0] - from[0], point[1] - from[1]];
    if length < 1e-9 {
        return offset[0].hypot(offset[1]);
    }
    let share = ((offset[0] * along[0] + offset[1] * along[1]) / length.powi(2)).clamp(0.0, 1.0);
    (offset[0] - share * along[0]).hypot(offset[1] - share * along[1])
}

#[cfg(test)]
mod tests {
    use super::{Circle, View, lines, off};
    use crate::domain::{TrackPoint, analyse};
    use petwalker_kernel::{GeoPoint, UtcMillis};
    use proptest::prelude::*;

    /// A walk along streets: north, east, north again; a point every 7 m.
    fn route() -> crate::domain::Route {
        let mut place = (-23.55, -46.63);
        let points = (0..300_u32)
            .map(|i| {
                let at = UtcMillis::new(1_780_000_000_000 + i64::from(i) * 5_000);
                if (100..200).contains(&i) {
                    place.1 += 0.000_069;
                } else {
                    place.0 += 0.000_063;
                }
                TrackPoint::new(i + 1, at, place, 3.0, None).expect("in range")
            })
            .collect();
        analyse(points)
    }

    #[test]
    fn a_line_keeps_its_corners() {
        let route = route();
        let all = lines(&route, View::default());
        assert_eq!((all.len(), all[0].len()), (1, 300));
        let few = lines(&route, View { tolerance_m: 5.0, hidden: None });
        assert!((4..=10).contains(&few[0].len()), "{}", few[0].len());
    }

    #[test]
    fn nothing_is_shown_of_what_is_hidden() {
        let route = route();
        let centre = route.way[150].place;
        let hidden = Circle { centre, radius_m: 100.0 };
        let shown = lines(&route, View { tolerance_m: 0.0, hidden: Some(hidden) });
        assert_eq!(shown.len(), 2);
        assert!(shown.iter().flatten().all(|step| step.place.distance_m(centre) > 100.0));
        let nowhere = Circle { centre: GeoPoint::new(0.0, 0.0).expect("a place"), radius_m: 100.0 };
        assert_eq!(lines(&route, View { tolerance_m: 0.0, hidden: Some(nowhere) }).len(), 1);
    }

    proptest! {
        #[test]
        fn no_step_is_farther_from_the_line_than_the_tolerance(tolerance in 0.5..60.0_f64) {
            let route = route();
            let few = lines(&route, View { tolerance_m: tolerance, hidden: None });
            let origin = super::Origin::of(route.way[0].place);
            let line: Vec<_> = few[0].iter().map(|s| origin.plane(s.place)).collect();
            for step in &route.way {
                let point = origin.plane(step.place);
                let near = line.windows(2).map(|pair| off(point, pair[0], pair[1])).fold(f64::MAX, f64::min);
                prop_assert!(near <= tolerance + 1e-6, "{near} of {tolerance}");
            }
        }
    }
}
