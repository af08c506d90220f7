//! Places on Earth and the distances between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Mean radius of the Earth in metres (IUGG), for distances on the sphere.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A place that is not on Earth.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("latitude must be within -90 to 90 and longitude within -180 to 180 degrees")]
pub struct PlaceError;

/// A place on Earth, WGS84 degrees, always finite and in range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeoPoint {
    lat: f64,
    lon: f64,
}

impl GeoPoint {
    /// The place of these degrees.
    ///
    /// # Errors
    /// When one is not finite or out of range.
    pub fn new(lat: f64, lon: f64) -> Result<Self, PlaceError> {
        let fits = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        if fits { Ok(Self { lat, lon }) } else { Err(PlaceError) }
    }

    /// The place of these degrees, or the nearest there is where they are out of range.
    #[must_use]
    pub const fn clamped(lat: f64, lon: f64) -> Self {
        // Unlike `clamp`, these take what is no number to an end of the range.
        Self { lat: lat.max(-90.0).min(90.0), lon: lon.max(-180.0).min(180.0) }
    }

    /// Degrees north.
    #[must_use]
    pub const fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees east.
    #[must_use]
    pub const fn lon(self) -> f64 {
        self.lon
    }

    /// Metres along the great circle (haversine formula).
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let half_lat = ((b - a) / 2.0).sin();
        let half_lon = ((other.lon - self.lon).to_radians() / 2.0).sin();
        let h = half_lat * half_lat + a.cos() * b.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }

    /// The geohash cell of that many characters (1 to 12) that holds the place.
    #[must_use]
    pub fn cell(self, characters: usize) -> Cell {
        let coordinate = geohash::Coord { x: self.lon, y: self.lat };
        // Only a place out of range or a length out of range fails, and both were checked.
        Cell(geohash::encode(coordinate, characters.clamp(1, 12)).unwrap_or_default())
    }
}

/// A geohash cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(String);

impl Cell {
    /// The cell of that geohash; none where it is no geohash of 1 to 12 characters.
    #[must_use]
    pub fn named(geohash: &str) -> Option<Self> {
        let fits = (1..=12).contains(&geohash.len()) && geohash::decode_bbox(geohash).is_ok();
        fits.then(|| Self(geohash.to_owned()))
    }

    /// The middle of the cell.
    #[must_use]
    pub fn centre(&self) -> Option<GeoPoint> {
        let (middle, ..) = geohash::decode(&self.0).ok()?;
        GeoPoint::new(middle.y, middle.x).ok()
    }

    /// The geohash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cell and the eight around it; fewer at the poles.
    #[must_use]
    pub fn with_neighbours(&self) -> Vec<Self> {
        let mut cells = vec![self.clone()];
        if let Ok(n) = geohash::neighbors(&self.0) {
            cells.extend([n.n, n.ne, n.e, n.se, n.s, n.sw, n.w, n.nw].map(Cell));
        }
        cells.sort();
        cells.dedup();
        cells
    }

    /// Metres within which every place around `centre` (a place in this cell) lies in the cell or its neighbours: the
    /// smaller side of a cell.
    #[must_use]
    pub fn reach_m(&self, centre: GeoPoint) -> f64 {
        let Ok(bounds) = geohash::decode_bbox(&self.0) else { return 0.0 };
        let (min, max) = (bounds.min(), bounds.max());
        let height = (max.y - min.y).to_radians() * EARTH_RADIUS_M;
        // The side nearer to the pole is the shorter one, a whole cell further out.
        let lat = (centre.lat.abs() + (max.y - min.y)).min(90.0).to_radians();
        let width = (max.x - min.x).to_radians() * EARTH_RADIUS_M * lat.cos();
        height.min(width).max(0.0)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, GeoPoint};
    use proptest::prelude::*;

    #[test]
    fn known_distances() {
        // Great-circle distances between city centres, by the haversine formula on the same sphere.
        let point = |lat, lon| GeoPoint::new(lat, lon).expect("on Earth");
        for (a, b, expected) in [
            (point(0.0, 0.0), point(0.0, 1.0), 111_195.1),
            (point(-23.5505, -46.6333), point(-22.9068, -43.1729), 360_749.0),
            (point(90.0, 0.0), point(-90.0, 0.0), 20_015_115.1),
        ] {
            let distance = a.distance_m(b);
            assert!((distance - expected).abs() < 200.0, "{distance} {expected}");
        }
    }

    #[test]
    fn a_cell_has_a_name_and_a_middle() {
        let place = GeoPoint::new(-23.5505, -46.6333).expect("on Earth");
        let cell = place.cell(5);
        assert_eq!(Cell::named(cell.as_str()), Some(cell.clone()));
        let middle = cell.centre().expect("a middle");
        assert_eq!(middle.cell(5), cell);
        assert!(middle.distance_m(place) < 3_500.0, "{middle:?}");
        for bad in ["", "a", "6gyf4a", "6gyf4bf8mf8mf8m"] {
            assert_eq!(Cell::named(bad), None, "{bad}");
        }
    }

    #[test]
    fn places_off_earth_are_refused() {
        for (lat, lon) in [(90.1, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(GeoPoint::new(lat, lon).is_err(), "{lat} {lon}");
            let near = GeoPoint::clamped(lat, lon);
            assert!(GeoPoint::new(near.lat(), near.lon()).is_ok(), "{lat} {lon}");
        }
    }

    proptest! {
        #[test]
        fn what_is_within_reach_is_in_the_neighbourhood(
            lat in -70.0..70.0_f64, lon in -179.0..179.0_f64, bearing in 0.0..std::f64::consts::TAU, part in 0.0..0.95_f64,
        ) {
            let centre = GeoPoint::new(lat, lon).expect("on Earth");
            let cell = centre.cell(6);
            let metres = cell.reach_m(centre) * part;
            let there = GeoPoint::new(
                lat + (metres * bearing.cos() / 6_371_008.8).to_degrees(),
                lon + (metres * bearing.sin() / (6_371_008.8 * lat.to_radians().cos())).to_degrees(),
            ).expect("on Earth");
            prop_assert!(cell.with_neighbours().contains(&there.cell(6)));
        }
    }
}
