//! Routes as GeoJSON, GPX and encoded polylines.

use std::fmt::Write as _;

use petwalker_kernel::UtcMillis;
use serde_json::{Value, json};

use super::mark::Mark;
use super::point::{degrees, micro_degrees};
use super::route::{Route, Step};
use super::view::{View, lines};

/// The route as a GeoJSON feature (RFC 7946): a line, or several where it was broken off, with the time of each point, the
/// pauses and the marks as properties.
#[must_use]
pub fn geojson(ride_id: &str, route: &Route, marks: &[Mark], view: View) -> String {
    let lines = lines(route, view);
    let position = |step: &Step| match step.elevation_m {
        Some(elevation) => json!([rounded(step.place.lon()), rounded(step.place.lat()), elevation]),
        None => json!([rounded(step.place.lon()), rounded(step.place.lat())]),
    };
    let times = |line: &[Step]| line.iter().map(|step| rfc3339(step.at)).collect::<Vec<_>>();
    // A line needs two positions; without any there is a feature without a geometry.
    let drawn: Vec<&Vec<Step>> = lines.iter().filter(|line| line.len() > 1).collect();
    let coordinates = |line: &[Step]| line.iter().map(position).collect::<Vec<_>>();
    let (geometry, times) = match drawn[..] {
        [] => (Value::Null, json!([])),
        [line] => (json!({ "type": "LineString", "coordinates": coordinates(line) }), json!(times(line))),
        _ => (
            json!({ "type": "MultiLineString", "coordinates": drawn.iter().map(|l| coordinates(l)).collect::<Vec<_>>() }),
            json!(drawn.iter().map(|line| times(line)).collect::<Vec<_>>()),
        ),
    };
    let pauses: Vec<_> = route
        .pauses
        .iter()
        .filter(|p| view.shows(p.place))
        .map(|p| {
            json!({
                "started_at": rfc3339(p.started_at),
                "duration_ms": p.lasted.get(),
                "place": [rounded(p.place.lon()), rounded(p.place.lat())],
            })
        })
        .collect();
    let marks: Vec<_> = marks
        .iter()
        .filter(|mark| view.shows(mark.place))
        .map(|mark| {
            json!({
                "kind": mark.kind.name(),
                "at": rfc3339(mark.at),
                "place": [rounded(mark.place.lon()), rounded(mark.place.lat())],
            })
        })
        .collect();
    json!({
        "type": "Feature",
        "id": ride_id,
        "geometry": geometry,
        "properties": {
            "distance_m": (route.distance_m * 10.0).round() / 10.0,
            "elapsed_ms": route.elapsed.get(),
            "moving_ms": route.moving().get(),
            "times": times,
            "pauses": pauses,
            "marks": marks,
        },
    })
    .to_string()
}

/// The route as GPX 1.1, a segment for each line and a waypoint for each mark.
#[must_use]
pub fn gpx(ride_id: &str, route: &Route, marks: &[Mark], view: View) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"PetWalker\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n",
    );
    for mark in marks.iter().filter(|mark| view.shows(mark.place)) {
        let (lat, lon) = (mark.place.lat(), mark.place.lon());
        // Writing to a String does not fail.
        let _ = write!(xml, "<wpt lat=\"{lat:.6}\" lon=\"{lon:.6}\"><time>{}</time>", rfc3339(mark.at));
        let _ = writeln!(xml, "<name>{}</name></wpt>", mark.kind.name());
    }
    xml.push_str("<trk><name>");
    for character in ride_id.chars() {
        match character {
            '<' => xml.push_str("&lt;"),
            '&' => xml.push_str("&amp;"),
            other => xml.push(other),
        }
    }
    xml.push_str("</name>\n");
    for line in lines(route, view) {
        xml.push_str("<trkseg>\n");
        for step in &line {
            let _ = write!(xml, "<trkpt lat=\"{:.6}\" lon=\"{:.6}\">", step.place.lat(), step.place.lon());
            if let Some(elevation) = step.elevation_m {
                let _ = write!(xml, "<ele>{elevation:.1}</ele>");
            }
            let _ = writeln!(xml, "<time>{}</time></trkpt>", rfc3339(step.at));
        }
        xml.push_str("</trkseg>\n");
    }
    xml.push_str("</trk>\n</gpx>\n");
    xml
}

/// The lines of a route as encoded polylines of precision 5, one each (Google, "Encoded Polyline Algorithm Format").
#[must_use]
pub fn polylines(route: &Route, view: View) -> Vec<String> {
    lines(route, view).iter().map(|line| polyline(line)).collect()
}

fn polyline(line: &[Step]) -> String {
    let mut text = String::new();
    let mut last = [0, 0];
    for step in line {
        let place = [step.place.lat(), step.place.lon()].map(hundred_thousandths);
        for (value, last) in place.iter().zip(last) {
            encode(value - last, &mut text);
        }
        last = place;
    }
    text
}

#[expect(clippy::cast_possible_truncation, reason = "degrees on Earth")]
fn hundred_thousandths(degrees: f64) -> i64 {
    (degrees * 1e5).round() as i64
}

fn encode(value: i64, text: &mut String) {
    // The sign goes to the lowest bit; then five bits a character, the lowest first, the sixth for "more follow".
    let mut left = (value << 1) ^ (value >> 63);
    loop {
        let more = left >= 0x20;
        let bits = u8::try_from(left & 0x1f).unwrap_or_default() | if more { 0x20 } else { 0 };
        text.push(char::from(bits + 63));
        left >>= 5;
        if !more {
            return;
        }
    }
}

/// Degrees to the sixth digit, a hand's breadth.
fn rounded(value: f64) -> f64 {
    degrees(micro_degrees(value))
}

fn rfc3339(at: UtcMillis) -> String {
    jiff::Timestamp::from_millisecond(at.get()).map_or_else(|_| String::new(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::{encode, geojson, gpx, polylines};
    use crate::domain::{TrackPoint, View, analyse};
    use petwalker_kernel::UtcMillis;
    use serde_json::Value;

    fn point(seq: u32, second: i64, lat: f64) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + second * 1_000);
        TrackPoint::new(seq, at, (lat, -46.63), 5.0, Some(760.0)).expect("in range")
    }

    #[test]
    fn a_route_reads_as_geojson_and_gpx() {
        let route = analyse(vec![point(1, 5, -23.55), point(2, 10, -23.5501)]);
        let all = View::default();
        let value: Value = serde_json::from_str(&geojson("r", &route, &[], all)).expect("JSON");
        let second = &value["geometry"]["coordinates"][1];
        assert!(second[0] == -46.63 && second[2] == 760.0, "{second}");
        assert!((second[1].as_f64().expect("degrees") + 23.5501).abs() < 0.000_02, "{second}");
        assert_eq!(value["properties"]["times"][0], "2026-05-28T20:26:45Z");
        let xml = gpx("a<b", &route, &[], all);
        assert!(xml.contains("lon=\"-46.630000\"><ele>760.0</ele>"), "{xml}");
        assert!(xml.contains("a&lt;b"));
        assert!(geojson("r", &analyse(vec![]), &[], all).contains("\"geometry\":null"));
    }

    #[test]
    fn a_route_that_was_broken_off_has_a_line_for_each_part() {
        let part = |from: u32, second: i64, lat: f64| {
            (0..5).map(move |i| point(from + i, second + i64::from(i) * 5, lat + f64::from(i) * 0.000_06))
        };
        let route = analyse(part(1, 0, -23.55).chain(part(6, 2_000, -23.50)).collect());
        let value: Value = serde_json::from_str(&geojson("r", &route, &[], View::default())).expect("JSON");
        assert_eq!(value["geometry"]["type"], "MultiLineString");
        assert_eq!(value["geometry"]["coordinates"][1].as_array().map(Vec::len), Some(5));
        assert_eq!(gpx("r", &route, &[], View::default()).matches("<trkseg>").count(), 2);
        assert_eq!(polylines(&route, View::default()).len(), 2);
    }

    /// The examples of the format's own description.
    #[test]
    fn polylines_are_encoded_as_described() {
        let encoded = |values: &[i64]| {
            let mut text = String::new();
            values.iter().for_each(|value| encode(*value, &mut text));
            text
        };
        assert_eq!(encoded(&[-17_998_321]), "`~oia@");
        assert_eq!(
            encoded(&[3_850_000, -12_020_000, 220_000, -75_000, 255_200, -550_300]),
            "_p~iF~ps|U_ulLnnqC_mqNvxq`@"
        );
    }
}
