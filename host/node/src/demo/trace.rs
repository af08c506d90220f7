//! A recorded walk, shifted in space and time.

use anyhow::Context as _;

/// One fix of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fix {
    /// Degrees north.
    pub(super) lat: f64,
    /// Degrees east.
    pub(super) lon: f64,
    /// Metres above sea.
    pub(super) elevation_m: Option<f64>,
    /// Milliseconds since 1970 UTC.
    pub(super) at_ms: i64,
    /// Which of the trace's segments it belongs to.
    pub(super) segment: usize,
}

const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Reads a GPX file's track points.
pub(super) fn read_gpx(text: &str) -> anyhow::Result<Vec<Fix>> {
    let mut fixes = Vec::new();
    for (segment, body) in text.split("<trkseg").skip(1).enumerate() {
        let body = body.split("</trkseg>").next().unwrap_or_default();
        for point in body.split("<trkpt").skip(1) {
            let attribute = |name: &str| {
                let value = point.split_once(&format!("{name}=\""))?.1.split('"').next()?;
                value.parse::<f64>().ok()
            };
            let element = |name: &str| {
                Some(point.split_once(&format!("<{name}>"))?.1.split('<').next()?.trim().to_owned())
            };
            let time = element("time").context("a track point has no time")?;
            fixes.push(Fix {
                lat: attribute("lat").context("a track point has no latitude")?,
                lon: attribute("lon").context("a track point has no longitude")?,
                elevation_m: element("ele").and_then(|e| e.parse().ok()),
                at_ms: parse_time(&time).with_context(|| format!("'{time}' is not a time"))?,
                segment,
            });
        }
    }
    anyhow::ensure!(!fixes.is_empty(), "the file has no track points");
    Ok(fixes)
}

/// `YYYY-MM-DDTHH:MM:SS[.fff]Z` as milliseconds since 1970.
fn parse_time(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hour, minute): (i64, i64) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let seconds: f64 = time.next()?.parse().ok()?;
    // Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "days from civil").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a minute")]
    let millis = (seconds * 1_000.0).round() as i64;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + millis)
}

/// The trace moved so that it starts at a place and ends at a time. Metres stay metres: degrees of longitude are scaled
/// for the latitude.
pub(super) fn shift(fixes: &[Fix], start: (f64, f64), end_ms: i64) -> Vec<Fix> {
    let (Some(first), Some(last)) = (fixes.first(), fixes.last()) else { return Vec::new() };
    let scale = first.lat.to_radians().cos() / start.0.to_radians().cos();
    fixes
        .iter()
        .map(|fix| Fix {
            lat: start.0 + fix.lat - first.lat,
            lon: start.1 + (fix.lon - first.lon) * scale,
            at_ms: end_ms - (last.at_ms - fix.at_ms),
            ..*fix
        })
        .collect()
}

/// The trace's own length in two dimensions: every hop within its segments.
pub(super) fn length_m(fixes: &[Fix]) -> f64 {
    let hops = fixes.windows(2).filter(|pair| pair[0].segment == pair[1].segment);
    hops.map(|pair| distance_m(&pair[0], &pair[1])).sum()
}

fn distance_m(a: &Fix, b: &Fix) -> f64 {
    let (from, to) = (a.lat.to_radians(), b.lat.to_radians());
    let half_lat = ((to - from) / 2.0).sin();
    let half_lon = ((b.lon - a.lon).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + from.cos() * to.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::{length_m, parse_time, read_gpx, shift};

    const LAKE_WALK: &str = include_str!("../../../../tests/data/lake-walk.gpx");

    #[test]
    fn a_shifted_trace_keeps_its_length() {
        let fixes = read_gpx(LAKE_WALK).expect("read");
        assert_eq!(fixes.len(), 296);
        let length = length_m(&fixes);
        let moved = shift(&fixes, (-23.5505, -46.6333), 1_780_000_000_000);
        assert!((length_m(&moved) - length).abs() < length * 0.001, "{length}");
        assert_eq!(moved.last().map(|f| f.at_ms), Some(1_780_000_000_000));
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse_time("1970-01-02T00:00:01Z"), Some(86_401_000));
        assert_eq!(parse_time("2017-07-29T14:46:35.250Z"), Some(1_501_339_595_250));
        assert_eq!(parse_time("yesterday"), None);
    }
}
