//! One fix of a walker's device.

use petwalker_kernel::{GeoPoint, UtcMillis};
use serde::{Deserialize, Serialize};

/// The coarsest fix that is stored, metres of 68 % confidence.
pub const ACCURACY_M_MAX: f64 = 10_000.0;
/// 2000-01-01 and 2100-01-01 UTC: no walk is outside.
const TIME_MS: std::ops::RangeInclusive<i64> = 946_684_800_000..=4_102_444_800_000;

/// A fix, in range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackPoint {
    /// The device's number of the point, from 1.
    pub seq: u32,
    /// When it was taken.
    pub at: UtcMillis,
    /// Where.
    pub place: GeoPoint,
    /// Radius of 68 % confidence, metres.
    pub accuracy_m: f64,
    /// Metres above the ellipsoid, where known.
    pub elevation_m: Option<f64>,
}

/// A fix that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct BadPoint {
    /// The field at fault.
    pub field: &'static str,
    /// What is allowed.
    pub message: &'static str,
}

impl TrackPoint {
    /// A fix from what a device sent.
    ///
    /// # Errors
    /// When a figure is not finite or out of range.
    pub fn new(
        seq: u32,
        at: UtcMillis,
        (lat, lon): (f64, f64),
        accuracy_m: f64,
        elevation_m: Option<f64>,
    ) -> Result<Self, BadPoint> {
        let bad = |field, message| Err(BadPoint { field, message });
        if seq == 0 {
            return bad("seq", "is counted from 1");
        }
        if !TIME_MS.contains(&at.get()) {
            return bad("at", "must be between the years 2000 and 2100");
        }
        if !(0.0..=ACCURACY_M_MAX).contains(&accuracy_m) {
            return bad("accuracy_m", "must be 0 to 10000");
        }
        if elevation_m.is_some_and(|e| !(-500.0..=9_000.0).contains(&e)) {
            return bad("elevation_m", "must be -500 to 9000");
        }
        let Ok(place) = GeoPoint::new(lat, lon) else {
            return bad("place", "must be within -90 to 90 and -180 to 180 degrees");
        };
        Ok(Self { seq, at, place, accuracy_m, elevation_m }.rounded())
    }

    /// Seconds from `earlier` to this fix; negative when it is the earlier one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a walk's milliseconds fit a double exactly")]
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        self.at.since(earlier.at).get() as f64 / 1_000.0
    }

    /// The fix as precise as it is stored: degrees to the sixth digit, metres to the first.
    fn rounded(mut self) -> Self {
        let round = |value: f64| (value * 10.0).round() / 10.0;
        let place =
            GeoPoint::new(degrees(micro_degrees(self.place.lat())), degrees(micro_degrees(self.place.lon())));
        self.place = place.unwrap_or(self.place);
        self.accuracy_m = round(self.accuracy_m);
        self.elevation_m = self.elevation_m.map(round);
        self
    }
}

/// Degrees in millionths.
#[expect(clippy::cast_possible_truncation, reason = "degrees on Earth")]
pub(super) fn micro_degrees(degrees: f64) -> i64 {
    (degrees * 1e6).round() as i64
}

/// Millionths in degrees.
#[expect(clippy::cast_precision_loss, reason = "degrees on Earth")]
pub(super) fn degrees(micro: i64) -> f64 {
    micro as f64 / 1e6
}

/// Metres in tenths.
#[expect(clippy::cast_possible_truncation, reason = "an accuracy or a height, in range")]
pub(super) fn tenths(metres: f64) -> i64 {
    (metres * 10.0).round() as i64
}
