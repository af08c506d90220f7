//! Fences: circles that a walk comes into and goes out of.
//!
//! Whoever walks along a border is not told in and out with every fix: a fence is left only some way beyond it, and the
//! farther the coarser the fix.

use petwalker_kernel::{GeoPoint, UtcMillis};
use serde::{Deserialize, Serialize};

use super::circle::Circle;

/// Beyond the border a fence counts as left from here, metres, and from the fix's own accuracy where that is coarser.
const LEFT_BEYOND_M: f64 = 15.0;
/// Crossings that are kept of one walk: more come from a broken device only.
const CROSSINGS_MAX: usize = 64;
/// Radii of fences, metres: a receiver does not tell smaller ones, and nobody walks out of larger ones.
const RADIUS_M: std::ops::RangeInclusive<f64> = 20.0..=20_000.0;

/// What a fence is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceKind {
    /// Where the walker fetches the pets: looked at while the walker is on the way.
    Pickup,
    /// Where the pets are brought back to: looked at during the walk, which begins in it.
    Home,
    /// Where the walk may go: looked at during the walk, which begins in it.
    Area,
}

impl FenceKind {
    /// Its name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pickup => "pickup",
            Self::Home => "home",
            Self::Area => "area",
        }
    }
}

/// A fence, and on which side of it the walker is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fence {
    /// What it is around.
    pub kind: FenceKind,
    /// Where it is.
    pub circle: Circle,
    /// Whether the walker is inside.
    pub inside: bool,
}

/// A fence that is too small or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 20 to 20000")]
pub struct BadRadius;

impl Fence {
    /// A fence that nobody has crossed.
    ///
    /// # Errors
    /// When the radius is out of range.
    pub fn new(kind: FenceKind, circle: Circle) -> Result<Self, BadRadius> {
        let fence = Self { kind, circle, inside: kind != FenceKind::Pickup };
        if RADIUS_M.contains(&circle.radius_m) { Ok(fence) } else { Err(BadRadius) }
    }

    /// Metres from a place to the border: negative inside.
    #[must_use]
    pub fn beyond_m(&self, place: GeoPoint) -> f64 {
        self.circle.centre.distance_m(place) - self.circle.radius_m
    }

    /// Takes a place; whether the walker has crossed the fence on the way to it.
    fn crossed(&mut self, place: GeoPoint, accuracy_m: f64) -> bool {
        let beyond = self.beyond_m(place);
        let inside = if self.inside { beyond < LEFT_BEYOND_M.max(accuracy_m) } else { beyond <= 0.0 };
        std::mem::replace(&mut self.inside, inside) != inside
    }
}

/// The walker came into a fence or went out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// Which fence.
    pub kind: FenceKind,
    /// In, rather than out.
    pub entered: bool,
    /// When.
    pub at: UtcMillis,
}

/// Where the walker is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On the way to the pets.
    Approach,
    /// On the walk.
    Walk,
}

/// The fences of a walk, one of a kind, and what happened at them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fences {
    fences: Vec<Fence>,
    crossings: Vec<Crossing>,
}

impl Fences {
    /// The fences.
    #[must_use]
    pub fn all(&self) -> &[Fence] {
        &self.fences
    }

    /// What happened, in its order.
    #[must_use]
    pub fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }

    /// The fence of that kind.
    #[must_use]
    pub fn get(&self, kind: FenceKind) -> Option<&Fence> {
        self.fences.iter().find(|fence| fence.kind == kind)
    }

    /// Sets the fence of its kind.
    pub fn set(&mut self, fence: Fence) {
        self.remove(fence.kind);
        self.fences.push(fence);
        self.fences.sort_by_key(|fence| fence.kind as u8);
    }

    /// Takes the fence of that kind away.
    pub fn remove(&mut self, kind: FenceKind) {
        self.fences.retain(|fence| fence.kind != kind);
    }

    /// Metres from a place of the walk to the nearest border.
    #[must_use]
    pub fn border_m(&self, place: GeoPoint) -> Option<f64> {
        let walk = self.fences.iter().filter(|fence| fence.kind != FenceKind::Pickup);
        walk.map(|fence| fence.beyond_m(place).abs()).min_by(f64::total_cmp)
    }

    /// Takes a place where the walker was; what was crossed on the way to it.
    pub fn pass(&mut self, phase: Phase, place: GeoPoint, accuracy_m: f64, at: UtcMillis) -> Vec<Crossing> {
        let room = CROSSINGS_MAX - self.crossings.len().min(CROSSINGS_MAX);
        let looked_at = |fence: &&mut Fence| (fence.kind == FenceKind::Pickup) == (phase == Phase::Approach);
        let crossed = self.fences.iter_mut().filter(looked_at).filter_map(|fence| {
            let crossed = fence.crossed(place, accuracy_m);
            crossed.then_some(Crossing { kind: fence.kind, entered: fence.inside, at })
        });
        let crossed: Vec<Crossing> = crossed.take(room).collect();
        self.crossings.extend(&crossed);
        crossed
    }
}

#[cfg(test)]
mod tests {
    use super::{Circle, Crossing, Fence, FenceKind, Fences, Phase};
    use petwalker_kernel::{GeoPoint, UtcMillis};

    fn north(metres: f64) -> GeoPoint {
        GeoPoint::new(-23.55 + metres / 111_195.0, -46.63).expect("a place")
    }

    fn fences(kinds: &[(FenceKind, f64)]) -> Fences {
        let mut fences = Fences::default();
        for (kind, radius_m) in kinds {
            fences.set(
                Fence::new(*kind, Circle { centre: north(0.0), radius_m: *radius_m }).expect("in range"),
            );
        }
        fences
    }

    /// What is told on a way of so many metres from the centre.
    fn told(fences: &mut Fences, phase: Phase, way: &[f64], accuracy_m: f64) -> Vec<(FenceKind, bool)> {
        let pass = |m: &f64| fences.pass(phase, north(*m), accuracy_m, UtcMillis::new(1));
        way.iter().flat_map(pass).map(|Crossing { kind, entered, .. }| (kind, entered)).collect()
    }

    #[test]
    fn each_crossing_is_told_once() {
        use FenceKind::{Area, Home, Pickup};
        let all = [(Pickup, 60.0), (Home, 80.0), (Area, 500.0)];
        for (phase, way, accuracy_m, expected) in [
            (Phase::Approach, vec![400.0, 100.0, 61.0], 5.0, vec![]),
            (Phase::Approach, vec![100.0, 50.0, 70.0, 50.0], 5.0, vec![(Pickup, true)]),
            (Phase::Approach, vec![50.0, 76.0], 5.0, vec![(Pickup, true), (Pickup, false)]),
            (Phase::Walk, vec![0.0, 90.0, 94.0, 79.0], 5.0, vec![]),
            (Phase::Walk, vec![96.0, 81.0, 79.0], 5.0, vec![(Home, false), (Home, true)]),
            (Phase::Walk, vec![110.0], 40.0, vec![]),
            (Phase::Walk, vec![600.0, 100.0], 5.0, vec![(Home, false), (Area, false), (Area, true)]),
        ] {
            assert_eq!(told(&mut fences(&all), phase, &way, accuracy_m), expected, "{way:?}");
        }
    }

    #[test]
    fn a_device_that_jumps_to_and_fro_is_not_told_for_ever() {
        let mut fences = fences(&[(FenceKind::Home, 100.0)]);
        let way: Vec<f64> = (0..1_000).map(|i| if i % 2 == 0 { 500.0 } else { 0.0 }).collect();
        assert_eq!(told(&mut fences, Phase::Walk, &way, 5.0).len(), super::CROSSINGS_MAX);
        assert_eq!(fences.crossings().len(), super::CROSSINGS_MAX);
        assert!(fences.get(FenceKind::Home).is_some_and(|home| home.inside));
    }

    #[test]
    fn a_fence_is_of_a_size_that_can_be_told() {
        for (radius_m, good) in
            [(19.9, false), (20.0, true), (20_000.0, true), (20_001.0, false), (f64::NAN, false)]
        {
            let fence = Fence::new(FenceKind::Area, Circle { centre: north(0.0), radius_m });
            assert_eq!(fence.is_ok(), good, "{radius_m}");
        }
    }
}
