//! Routes as GeoJSON and GPX.

use std::fmt::Write as _;

use petwalker_kernel::UtcMillis;
use serde_json::json;

use super::route::Route;

/// The route as a GeoJSON feature (RFC 7946): a line with the time of each point, and the pauses as properties.
#[must_use]
pub fn geojson(ride_id: &str, route: &Route) -> String {
    let coordinates: Vec<_> = route
        .way
        .iter()
        .map(|p| match p.elevation_m {
            Some(e) => json!([round7(p.place.lon()), round7(p.place.lat()), e]),
            None => json!([round7(p.place.lon()), round7(p.place.lat())]),
        })
        .collect();
    // A line needs two positions; with fewer there is a feature without a geometry.
    let geometry = match coordinates.len() {
        0 | 1 => serde_json::Value::Null,
        _ => json!({ "type": "LineString", "coordinates": coordinates }),
    };
    let pauses: Vec<_> = route
        .pauses
        .iter()
        .map(|p| {
            json!({
                "started_at": rfc3339(p.started_at),
                "duration_ms": p.lasted.get(),
                "place": [round7(p.place.lon()), round7(p.place.lat())],
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
            "times": route.way.iter().map(|p| rfc3339(p.at)).collect::<Vec<_>>(),
            "pauses": pauses,
        },
    })
    .to_string()
}

/// The route as GPX 1.1.
#[must_use]
pub fn gpx(ride_id: &str, route: &Route) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"PetWalker\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n<trk><name>",
    );
    for character in ride_id.chars() {
        match character {
            '<' => xml.push_str("&lt;"),
            '&' => xml.push_str("&amp;"),
            other => xml.push(other),
        }
    }
    xml.push_str("</name><trkseg>\n");
    for p in &route.way {
        // Writing to a String does not fail.
        let _ = write!(xml, "<trkpt lat=\"{:.7}\" lon=\"{:.7}\">", p.place.lat(), p.place.lon());
        if let Some(elevation) = p.elevation_m {
            let _ = write!(xml, "<ele>{elevation:.1}</ele>");
        }
        let _ = writeln!(xml, "<time>{}</time></trkpt>", rfc3339(p.at));
    }
    xml.push_str("</trkseg></trk>\n</gpx>\n");
    xml
}

fn round7(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

fn rfc3339(at: UtcMillis) -> String {
    jiff::Timestamp::from_millisecond(at.get()).map_or_else(|_| String::new(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::{geojson, gpx};
    use crate::domain::{TrackPoint, analyse};
    use petwalker_kernel::UtcMillis;

    #[test]
    fn a_route_reads_as_geojson_and_gpx() {
        let point = |seq, lat| {
            let at = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
            TrackPoint::new(seq, at, (lat, -46.63), 5.0, Some(760.0)).expect("in range")
        };
        let route = analyse(vec![point(1, -23.55), point(2, -23.5501)]);
        let value: serde_json::Value = serde_json::from_str(&geojson("r", &route)).expect("JSON");
        let second = &value["geometry"]["coordinates"][1];
        assert!(second[0] == -46.63 && second[2] == 760.0, "{second}");
        assert!((second[1].as_f64().expect("degrees") + 23.5501).abs() < 0.000_02, "{second}");
        assert_eq!(value["properties"]["times"][0], "2026-05-28T20:26:45Z");
        let xml = gpx("a<b", &route);
        assert!(xml.contains("lon=\"-46.6300000\"><ele>760.0</ele>"), "{xml}");
        assert!(xml.contains("a&lt;b"));
        assert!(geojson("r", &analyse(vec![])).contains("\"geometry\":null"));
    }
}
