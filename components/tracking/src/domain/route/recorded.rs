//! Recorded walks, clean and with noise and loss added.

use petwalker_kernel::{SeededEntropy, UtcMillis};

use super::analyse;
use crate::domain::{Last, TrackPoint, decode};

const TRACES: [(&str, &str, f64); 2] = [
    ("lake-walk", include_str!("../../../../../tests/data/lake-walk.gpx"), 4_575.0),
    ("park-run", include_str!("../../../../../tests/data/park-run.gpx"), 12_820.0),
];
/// How far a route with noise may be from the clean one, of the whole.
const OFF_MAX: f64 = 0.03;
const NOISE_M: f64 = 10.0;
const LOSS: f64 = 0.2;
const SEEDS: usize = 40;

fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(&format!("{name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(&format!("<{name}>"))?.1.split_once('<').map(|(value, _)| value)
}

fn read(gpx: &str, accuracy_m: f64) -> Vec<TrackPoint> {
    let mut points = Vec::new();
    for (index, text) in gpx.split("<trkpt").skip(1).enumerate() {
        let text = text.split_once("</trkpt>").expect("an end").0;
        let degrees = |name| attribute(text, name).expect("a place").parse::<f64>().expect("degrees");
        let at: jiff::Timestamp = element(text, "time").expect("a time").trim().parse().expect("a time");
        let elevation = element(text, "ele").map(|e| e.trim().parse().expect("metres"));
        let seq = u32::try_from(index + 1).expect("few");
        let at = UtcMillis::new(at.as_millisecond());
        let place = (degrees("lat"), degrees("lon"));
        points.push(TrackPoint::new(seq, at, place, accuracy_m, elevation).expect("in range"));
    }
    points
}

/// Uniform from 0 to 1.
fn uniform(entropy: &mut SeededEntropy) -> f64 {
    use petwalker_kernel::Entropy as _;
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    (f64::from(u32::from_le_bytes(bytes)) + 0.5) / 4_294_967_296.0
}

/// The points with a share lost and noise added, as the fixes' accuracy says: 68 % are within [`NOISE_M`].
fn spoil(points: &[TrackPoint], entropy: &mut SeededEntropy) -> Vec<TrackPoint> {
    let mut kept = Vec::new();
    for p in points {
        if uniform(entropy) < LOSS {
            continue;
        }
        let metres = NOISE_M / 1.509_6 * (-2.0 * uniform(entropy).ln()).sqrt();
        let angle = uniform(entropy) * std::f64::consts::TAU;
        let lat = p.place.lat() + metres * angle.sin() / 111_195.0;
        let lon = p.place.lon() + metres * angle.cos() / (111_195.0 * lat.to_radians().cos());
        kept.push(TrackPoint::new(p.seq, p.at, (lat, lon), NOISE_M, p.elevation_m).expect("in range"));
    }
    kept
}

#[test]
fn a_clean_recording_is_as_long_as_it_is() {
    for (name, gpx, length_m) in TRACES {
        let off = analyse(read(gpx, 4.0)).distance_m / length_m - 1.0;
        assert!(off.abs() < 0.02, "{name}: {:.2} %", off * 100.0);
    }
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "few")]
fn noise_and_loss_change_the_distance_little() {
    for (name, gpx, _) in TRACES {
        let points = read(gpx, 4.0);
        let clean = analyse(points.clone()).distance_m;
        let mut offs: Vec<f64> = (0..SEEDS as u64)
            .map(|seed| analyse(spoil(&points, &mut SeededEntropy(seed))).distance_m / clean - 1.0)
            .collect();
        offs.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        println!(
            "{name}: {clean:.0} m clean, with noise off by {:.1?} %",
            offs.iter().map(|o| o * 100.0).collect::<Vec<_>>()
        );
        // A sparse recording loses more with its points than any method can find again: one in ten may be farther off.
        assert!(offs[SEEDS * 9 / 10 - 1].abs() < OFF_MAX && offs[SEEDS - 1].abs() < 2.0 * OFF_MAX, "{name}");
        let mean = offs.iter().sum::<f64>() / SEEDS as f64;
        assert!(mean.abs() < 0.01, "{name}: {:.2} % on average", mean * 100.0);
    }
}

#[test]
fn recorded_points_are_stored_in_ten_bytes_each() {
    for (name, gpx, _) in TRACES {
        let points = read(gpx, 4.0);
        let mut run = Vec::new();
        let mut last = Last::default();
        points.iter().for_each(|point| last.write(point, &mut run));
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let bytes = run.len() as f64 / points.len() as f64;
        println!("{name}: {bytes:.2} bytes a point");
        assert!(bytes <= 10.0, "{name}: {bytes:.2}");
        assert_eq!(decode(&run), Ok(points), "{name}");
    }
}
