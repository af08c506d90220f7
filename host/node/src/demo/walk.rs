//! The walk itself: a recorded trace sent as a phone would send it.

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::{Person, number, text};
use super::trace::{Fix, length_m, read_gpx, shift};
use super::{now_ms, say};

/// A two-hour recording; see `tests/data/README.md`.
const TRACE: &str = include_str!("../../../../tests/data/lake-walk.gpx");
/// Points sent at once.
const BATCH: usize = 40;
/// How far the measured distance may be from the trace's own, of the whole.
const DISTANCE_OFF_MAX: f64 = 0.02;

/// Walks the ride from the pickup to its completion; metres walked.
pub(super) async fn take(
    tutor: &Person,
    walker: &Person,
    ride: &str,
    start: (f64, f64),
) -> anyhow::Result<f64> {
    let step = |name: &str| format!("/v1/rides/{ride}/{name}");
    let nothing = json!({});
    walker.post(&step("arrive"), &nothing).await?;
    let pin = text(&tutor.get(&format!("/v1/rides/{ride}")).await?, "pin")?;
    let wrong = if pin == "0000" { "0001" } else { "0000" };
    let (status, answer) =
        walker.call(reqwest::Method::POST, &step("start"), Some(&json!({ "pin": wrong }))).await?;
    ensure!(status == 403 && answer["code"] == "wrong-pin", "a wrong PIN answered {status}: {answer}");
    walker.post(&step("start"), &json!({ "pin": pin })).await?;
    say("start", "the walker arrived; a wrong PIN was refused, the tutor's own started the walk");

    let fixes = shift(&read_gpx(TRACE)?, start, now_ms());
    let half = fixes.len() / 2;
    let bar = ProgressBar::new(fixes.len() as u64)
        .with_style(ProgressStyle::with_template("walk         {bar:40} {pos}/{len} points")?);
    send(walker, ride, &fixes[..half], 0, &bar).await?;
    walker.post(&step("pause"), &nothing).await?;
    walker.post(&step("resume"), &nothing).await?;
    send(walker, ride, &fixes[half..], half, &bar).await?;
    bar.finish_and_clear();

    let done = walker.post(&step("complete"), &nothing).await?;
    check(tutor, ride, &fixes, &done).await
}

/// Sends fixes in batches, each backwards and with the last of the batch before repeated: the service settles both.
async fn send(
    walker: &Person,
    ride: &str,
    fixes: &[Fix],
    offset: usize,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let numbered: Vec<Value> =
        fixes.iter().enumerate().map(|(index, fix)| point(fix, offset + index + 1)).collect();
    for start in (0..numbered.len()).step_by(BATCH) {
        let end = (start + BATCH).min(numbered.len());
        let mut points: Vec<&Value> = numbered[start.saturating_sub(1)..end].iter().collect();
        points.reverse();
        let receipt = walker.post(&format!("/v1/rides/{ride}/points"), &json!({ "points": points })).await?;
        ensure!(
            number(&receipt, "contiguous_seq")? == i64::try_from(offset + end)?,
            "points are missing: {receipt}"
        );
        bar.inc((end - start) as u64);
    }
    Ok(())
}

fn point(fix: &Fix, seq: usize) -> Value {
    json!({
        "seq": seq, "at": fix.at_ms, "place": { "lat": fix.lat, "lon": fix.lon },
        "accuracy_m": 4.0, "elevation_m": fix.elevation_m,
    })
}

async fn check(tutor: &Person, ride: &str, fixes: &[Fix], done: &Value) -> anyhow::Result<f64> {
    let summary = tutor.get(&format!("/v1/rides/{ride}/route")).await?;
    let own = length_m(fixes);
    let measured = summary["distance_m"].as_f64().unwrap_or_default();
    let off = (measured - own).abs() / own;
    ensure!(off <= DISTANCE_OFF_MAX, "{measured:.0} m measured, {own:.0} m by the trace itself");
    ensure!(number(&summary, "points")? == i64::try_from(fixes.len())?, "points were lost: {summary}");
    ensure!(done["state"] == "completed", "the ride is {}", done["state"]);
    let booked = number(done, "distance_m")?;
    ensure!(
        (booked as f64 - measured).abs() <= 1.0,
        "the ride says {booked} m and the route {measured:.0} m"
    );
    let geojson = tutor.get(&format!("/v1/rides/{ride}/route.geojson")).await?;
    ensure!(geojson["geometry"]["type"] == "LineString", "the route is no line: {}", geojson["geometry"]);
    say(
        "walk",
        format!(
            "{measured:.0} m measured of {own:.0} m recorded ({:.1} % off), {} pauses, {} jumps left out",
            off * 100.0,
            summary["pauses"].as_array().map_or(0, Vec::len),
            summary["jumps"]
        ),
    );
    Ok(measured)
}
