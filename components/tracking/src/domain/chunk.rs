//! Points as they are stored: a run of MessagePack integers, six a point, each the change since the point before.
//!
//! The run has no end mark: points are added by adding bytes. Degrees are counted in millionths (11 cm at most), metres
//! in tenths, and time by how much the step differs from the one before, so that most changes take a byte or two.

use std::io::Cursor;

use petwalker_kernel::{GeoPoint, UtcMillis};
use serde::{Deserialize, Serialize};

use super::point::{TrackPoint, degrees, micro_degrees, tenths};

/// Points in a chunk: enough that the row around it weighs little, few enough to decode while a walk goes on.
pub const CHUNK_POINTS: u32 = 128;

/// A stored chunk that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunk breaks off or is none, after {points} points")]
pub struct BadChunk {
    /// Points that were read before.
    pub points: usize,
}

/// The last point written, from which the next is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    seq: i64,
    at_ms: i64,
    step_ms: i64,
    lat: i64,
    lon: i64,
    accuracy: i64,
    elevation: i64,
}

impl Last {
    /// Adds a point to a run of bytes.
    pub fn write(&mut self, point: &TrackPoint, run: &mut Vec<u8>) {
        let step_ms = point.at.get() - self.at_ms;
        let (lat, lon) = (micro_degrees(point.place.lat()), micro_degrees(point.place.lon()));
        let accuracy = tenths(point.accuracy_m);
        let elevation = point.elevation_m.map(tenths);
        let climb = elevation.map_or(0, |elevation| {
            let change = elevation - self.elevation;
            // Nothing is 0; so that no change is not, what does not fall is told one higher.
            if change >= 0 { change + 1 } else { change }
        });
        let changes = [
            i64::from(point.seq) - self.seq - 1,
            step_ms - self.step_ms,
            lat - self.lat,
            lon - self.lon,
            accuracy - self.accuracy,
            climb,
        ];
        for change in changes {
            // Writing to a Vec does not fail.
            drop(rmp::encode::write_sint(run, change));
        }
        *self = Self {
            seq: i64::from(point.seq),
            at_ms: point.at.get(),
            step_ms,
            lat,
            lon,
            accuracy,
            elevation: elevation.unwrap_or(self.elevation),
        };
    }

    fn read(&mut self, run: &mut Cursor<&[u8]>) -> Option<TrackPoint> {
        let mut next = || rmp::decode::read_int::<i64, _>(run).ok();
        let (seq, step, lat, lon, accuracy, climb) = (next()?, next()?, next()?, next()?, next()?, next()?);
        self.seq = self.seq.checked_add(seq)?.checked_add(1)?;
        self.step_ms = self.step_ms.checked_add(step)?;
        self.at_ms = self.at_ms.checked_add(self.step_ms)?;
        self.lat = self.lat.checked_add(lat)?;
        self.lon = self.lon.checked_add(lon)?;
        self.accuracy = self.accuracy.checked_add(accuracy)?;
        if climb != 0 {
            self.elevation = self.elevation.checked_add(if climb > 0 { climb - 1 } else { climb })?;
        }
        Some(TrackPoint {
            seq: u32::try_from(self.seq).ok()?,
            at: UtcMillis::new(self.at_ms),
            place: GeoPoint::new(degrees(self.lat), degrees(self.lon)).ok()?,
            accuracy_m: from_tenths(self.accuracy),
            elevation_m: (climb != 0).then(|| from_tenths(self.elevation)),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a height's tenths fit a double exactly")]
fn from_tenths(tenths: i64) -> f64 {
    tenths as f64 / 10.0
}

/// The points of a chunk, in the order in which they were written.
///
/// # Errors
/// When the bytes are no chunk.
pub fn decode(run: &[u8]) -> Result<Vec<TrackPoint>, BadChunk> {
    let mut points = Vec::with_capacity(run.len() / 8);
    let mut last = Last::default();
    let mut reader = Cursor::new(run);
    while reader.position() < run.len() as u64 {
        let point = last.read(&mut reader).ok_or(BadChunk { points: points.len() })?;
        points.push(point);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::{Last, decode};
    use crate::domain::TrackPoint;
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    fn encode(points: &[TrackPoint]) -> Vec<u8> {
        let mut run = Vec::new();
        let mut last = Last::default();
        for point in points {
            last.write(point, &mut run);
        }
        run
    }

    prop_compose! {
        fn any_point()(
            seq in 1_u32.., at in 946_684_800_000_i64..4_102_444_800_000, lat in -90.0..=90.0_f64,
            lon in -180.0..=180.0_f64, accuracy in 0.0..=10_000.0_f64,
            elevation in proptest::option::of(-500.0..=9_000.0_f64),
        ) -> TrackPoint {
            TrackPoint::new(seq, UtcMillis::new(at), (lat, lon), accuracy, elevation).expect("in range")
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(points in proptest::collection::vec(any_point(), 0..50)) {
            prop_assert_eq!(decode(&encode(&points)), Ok(points));
        }

        #[test]
        fn any_bytes_are_read_or_refused(run in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&run);
        }
    }

    #[test]
    fn a_walkers_point_takes_few_bytes_and_a_cut_is_noticed() {
        let points: Vec<_> = (0..100)
            .map(|i| {
                let at = UtcMillis::new(1_780_000_000_000 + i64::from(i) * 5_000 + i64::from(i % 7));
                let place = (-23.55 + f64::from(i) * 0.000_05, -46.63 - f64::from(i) * 0.000_03);
                TrackPoint::new(i + 1, at, place, 5.0 + f64::from(i % 3), Some(760.0)).expect("in range")
            })
            .collect();
        let run = encode(&points);
        assert!(run.len() <= 100 * 9 + 30, "{} bytes", run.len());
        assert!(decode(&run[..run.len() - 1]).is_err());
    }
}
