//! Circles on the ground.

use petwalker_kernel::GeoPoint;
use serde::{Deserialize, Serialize};

/// A circle on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circle {
    /// Its centre.
    pub centre: GeoPoint,
    /// Its radius, metres.
    pub radius_m: f64,
}

impl Circle {
    /// Whether a place is in it.
    #[must_use]
    pub fn covers(&self, place: GeoPoint) -> bool {
        self.centre.distance_m(place) <= self.radius_m
    }
}
