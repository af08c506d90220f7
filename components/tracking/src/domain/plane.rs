//! A small part of the Earth as a plane: what filters calculate on.

use petwalker_kernel::{GeoPoint, UtcMillis};

use super::filter::{Fix, Plane};
use super::point::TrackPoint;

/// Metres of a degree of latitude: the mean radius of the Earth (IUGG) times a degree in radians.
const DEGREE_M: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

/// A place and moment from which others are counted: an equirectangular projection, true to a thousandth within a dozen
/// kilometres away from the poles.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    place: GeoPoint,
    at: UtcMillis,
    /// Metres of a degree of longitude there.
    degree_east_m: f64,
}

impl Origin {
    /// Counts from a place, and from no moment in particular.
    #[must_use]
    pub fn of(place: GeoPoint) -> Self {
        let degree_east_m = DEGREE_M * place.lat().to_radians().cos().max(1e-6);
        Self { place, at: UtcMillis::default(), degree_east_m }
    }

    /// Counts from a fix.
    #[must_use]
    pub fn at(point: &TrackPoint) -> Self {
        Self { at: point.at, ..Self::of(point.place) }
    }

    /// A place on the plane: metres east and north.
    #[must_use]
    pub fn plane(&self, place: GeoPoint) -> Plane {
        // The short way round where the date line is between them.
        let mut east = place.lon() - self.place.lon();
        east -= 360.0 * (east / 360.0).round();
        [east * self.degree_east_m, (place.lat() - self.place.lat()) * DEGREE_M]
    }

    /// A fix on the plane.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a walk's milliseconds fit a double exactly")]
    pub fn fix(&self, point: &TrackPoint) -> Fix {
        Fix {
            at_s: point.at.since(self.at).get() as f64 / 1_000.0,
            place: self.plane(point.place),
            accuracy_m: point.accuracy_m,
        }
    }

    /// The place of metres on the plane, where it is on Earth.
    #[must_use]
    pub fn place(&self, [east, north]: Plane) -> Option<GeoPoint> {
        let mut lon = self.place.lon() + east / self.degree_east_m;
        lon -= 360.0 * (lon / 360.0).round();
        GeoPoint::new(self.place.lat() + north / DEGREE_M, lon).ok()
    }
}
