//! A small part of the Earth as a plane: what filters calculate on.

use petwalker_kernel::GeoPoint;

use super::filter::{Fix, Plane};
use super::point::TrackPoint;

/// Metres of a degree of latitude: the mean radius of the Earth (IUGG) times a degree in radians.
const DEGREE_M: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

/// A place and moment from which others are counted: an equirectangular projection, true to a thousandth within a dozen
/// kilometres away from the poles.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    point: TrackPoint,
    /// Metres of a degree of longitude there.
    degree_east_m: f64,
}

impl Origin {
    /// Counts from a fix.
    #[must_use]
    pub fn at(point: &TrackPoint) -> Self {
        Self { point: *point, degree_east_m: DEGREE_M * point.place.lat().to_radians().cos().max(1e-6) }
    }

    /// A fix on the plane.
    #[must_use]
    pub fn fix(&self, point: &TrackPoint) -> Fix {
        // The short way round where the date line is between them.
        let mut east = point.place.lon() - self.point.place.lon();
        east -= 360.0 * (east / 360.0).round();
        let north = point.place.lat() - self.point.place.lat();
        Fix {
            at_s: point.seconds_since(&self.point),
            place: [east * self.degree_east_m, north * DEGREE_M],
            accuracy_m: point.accuracy_m,
        }
    }

    /// The place of metres on the plane, where it is on Earth.
    #[must_use]
    pub fn place(&self, [east, north]: Plane) -> Option<GeoPoint> {
        let mut lon = self.point.place.lon() + east / self.degree_east_m;
        lon -= 360.0 * (lon / 360.0).round();
        GeoPoint::new(self.point.place.lat() + north / DEGREE_M, lon).ok()
    }
}
