//! The walk itself: a recorded trace sent as a phone would send it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::{Person, number, text};
use super::say;
use super::socket::Socket;
use super::trace::{Fix, length_m, read_gpx, shift};
use crate::clock::now_ms;

/// A recorded walk; see `tests/data/README.md`.
pub(super) struct Recording {
    name: &'static str,
    gpx: &'static str,
    /// The geometry that draws it: several lines where the recording was broken off.
    geometry: &'static str,
    /// How much of its end is walked; none for all of it.
    last_ms: Option<i64>,
    /// How far the measured distance may be from the trace's own, of the whole.
    off_max: f64,
}

/// Two hours around a lake.
pub(super) const LAKE: Recording = Recording {
    name: "lake-walk",
    gpx: include_str!("../../../../tests/data/lake-walk.gpx"),
    geometry: "MultiLineString",
    last_ms: None,
    off_max: DISTANCE_OFF_MAX,
};
/// A run through a park.
pub(super) const PARK: Recording = Recording {
    name: "park-run",
    gpx: include_str!("../../../../tests/data/park-run.gpx"),
    geometry: "LineString",
    last_ms: None,
    off_max: DISTANCE_OFF_MAX,
};
/// The end of the run, for a node that does not count what is older than the walk. Of so short a way the ends weigh more.
pub(super) const PARK_END: Recording = Recording { last_ms: Some(100_000), off_max: 0.05, ..PARK };
/// The map shows a change of state within this time.
const MAP_PATIENCE: Duration = Duration::from_secs(10);
/// From where the walker comes, metres, and in how many steps of how long.
const WAY_M: f64 = 600.0;
const WAY_STEPS: i64 = 3;
const WAY_STEP_MS: i64 = 150_000;
/// Points sent at once.
const BATCH: usize = 40;
/// How far the measured distance may be from the trace's own, of the whole.
const DISTANCE_OFF_MAX: f64 = 0.02;

/// What befalls the service in the middle of a walk.
pub(super) type Mishap<'a> = &'a (dyn Fn() + Send + Sync);

/// Takes the ride from the walker's way to the pickup to its completion; metres walked.
pub(super) async fn take(
    tutor: &Person,
    walker: &Person,
    ride: &str,
    start: (f64, f64),
    recording: &Recording,
    mishap: Option<Mishap<'_>>,
) -> anyhow::Result<f64> {
    let step = |name: &str| format!("/v1/rides/{ride}/{name}");
    let nothing = json!({});
    come(tutor, walker, ride, start).await?;
    walker.post(&step("arrive"), &nothing).await?;
    let pin = text(&tutor.get(&format!("/v1/rides/{ride}")).await?, "pin")?;
    let wrong = if pin == "0000" { "0001" } else { "0000" };
    let (status, answer) =
        walker.call(reqwest::Method::POST, &step("start"), Some(&json!({ "pin": wrong }))).await?;
    ensure!(status == 403 && answer["code"] == "wrong-pin", "a wrong PIN answered {status}: {answer}");
    walker.post(&step("start"), &json!({ "pin": pin })).await?;
    say("start", "the walker arrived; a wrong PIN was refused, the tutor's own started the walk");

    let mut recorded = read_gpx(recording.gpx)?;
    if let (Some(last_ms), Some(end)) = (recording.last_ms, recorded.last().map(|fix| fix.at_ms)) {
        recorded.retain(|fix| fix.at_ms >= end - last_ms);
    }
    let fixes = shift(&recorded, start, now_ms());
    let half = fixes.len() / 2;
    let bar = ProgressBar::new(fixes.len() as u64)
        .with_style(ProgressStyle::with_template("walk         {bar:40} {pos}/{len} points")?);
    say("recording", format!("{}, {} points", recording.name, fixes.len()));
    let (state, mut seen) = tokio::sync::watch::channel(String::new());
    let map = LiveMap::open(tutor, step("live")).await?;
    let how = map.how();
    let watching = tokio::spawn(watch(map, state));
    let numbered = (1..).zip(&fixes).map(|(seq, fix)| point(fix, seq)).collect();
    let mut phone =
        Phone { walker, ride, points: numbered, safe: 0, socket: walker.socket(&step("track")).await?, bar };
    phone.send(0, half).await?;
    walker.post(&step("pause"), &nothing).await?;
    // The map shows how things stand; what is over before it is shown would not be.
    shows(&mut seen, "paused").await?;
    walker.post(&step("resume"), &nothing).await?;
    shows(&mut seen, "started").await?;
    match mishap {
        Some(mishap) => {
            let later = half + (fixes.len() - half) / 2;
            phone.send(half, later).await?;
            mishap();
            phone.send(later, fixes.len()).await?;
        }
        None => phone.send(half, fixes.len()).await?,
    }
    phone.bar.finish_and_clear();

    let done = walker.post(&step("complete"), &nothing).await?;
    let (seqs, states) = watching.await??;
    let all: Vec<usize> = (1..=fixes.len()).collect();
    ensure!(seqs == all, "the tutor's map got other points than were sent: {seqs:?}");
    ensure!(states == ["started", "paused", "started", "completed"], "the tutor saw {states:?}");
    say("live", format!("the tutor's map got all {} points in order, and each change, {how}", all.len()));
    check(tutor, ride, &fixes, &done, recording).await
}

/// Waits until the map shows a state.
async fn shows(seen: &mut tokio::sync::watch::Receiver<String>, wanted: &str) -> anyhow::Result<()> {
    let shown = seen.wait_for(|state| state == wanted);
    let shown = tokio::time::timeout(MAP_PATIENCE, shown).await;
    shown.with_context(|| format!("the map did not show the walk as {wanted}"))??;
    Ok(())
}

/// The walker comes: the tutor sees how far it is yet, and for how long.
async fn come(tutor: &Person, walker: &Person, ride: &str, pickup: (f64, f64)) -> anyhow::Result<()> {
    let begun_ms = now_ms() - WAY_STEPS * WAY_STEP_MS;
    let mut seen = Vec::new();
    for step in 0..=WAY_STEPS {
        let left_m = WAY_M * (1.0 - step as f64 / WAY_STEPS as f64);
        let fix = json!({
            "at": begun_ms + step * WAY_STEP_MS, "accuracy_m": 8.0,
            "place": { "lat": pickup.0 + left_m / 111_195.0, "lon": pickup.1 },
        });
        walker.put(&format!("/v1/rides/{ride}/approach"), &fix).await?;
        let live = tutor.get(&format!("/v1/rides/{ride}/live")).await?;
        let (metres, minutes) =
            (&live["approach"]["distance_m"], number(&live["approach"], "eta_ms")? / 60_000);
        ensure!(
            metres.as_f64().is_some_and(|metres| (metres - left_m).abs() < 2.0),
            "{metres} m are said to be left of {left_m:.0}"
        );
        seen.push(format!("{left_m:.0} m, {minutes} min"));
    }
    say("way", format!("the tutor saw the walker come: {}", seen.join("; ")));
    Ok(())
}

/// The tutor's map: told by a socket, or asking again and again where the server has none.
enum LiveMap {
    Told { socket: Box<Socket>, tutor: Person, path: String },
    Asking { tutor: Person, path: String, told: Option<(i64, String)>, over: bool },
}

impl LiveMap {
    async fn open(tutor: &Person, path: String) -> anyhow::Result<Self> {
        Ok(match tutor.socket(&path).await? {
            Some(socket) => {
                Self::Told { socket: Box::new(socket), tutor: tutor.clone(), path: format!("{path}?since=0") }
            }
            None => Self::Asking { tutor: tutor.clone(), path, told: None, over: false },
        })
    }

    const fn how(&self) -> &'static str {
        match self {
            Self::Told { .. } => "over a socket",
            Self::Asking { .. } => "by answers that wait for news: no sockets at this address",
        }
    }

    /// What is new; none once the walk is over.
    async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        match self {
            Self::Told { socket, tutor, path } => match socket.next().await {
                Ok(news) => Ok(news),
                // What was told before is told again: the map knows the points by their numbers.
                Err(_) => {
                    **socket = tutor.reopen(path).await?;
                    Ok(Some(socket.greeting.clone()))
                }
            },
            Self::Asking { over: true, .. } => Ok(None),
            Self::Asking { tutor, path, told, over } => {
                let question = match told {
                    Some((cursor, state)) => format!("{path}?since={cursor}&state={state}&wait=20s"),
                    None => path.clone(),
                };
                let news = tutor.get(&question).await?;
                let state = text(&news, "state")?;
                *over = state == "completed";
                *told = Some((number(&news, "cursor")?, state));
                Ok(Some(news))
            }
        }
    }
}

/// Watches until the walk is over: the numbers of the points in the order in which they came, and the states seen.
async fn watch(
    mut map: LiveMap,
    state: tokio::sync::watch::Sender<String>,
) -> anyhow::Result<(Vec<usize>, Vec<String>)> {
    let (mut seqs, mut states, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    while let Some(message) = map.next().await? {
        for point in message["points"].as_array().context("news without points")? {
            let seq = usize::try_from(number(point, "seq")?)?;
            if seen.insert(seq) {
                seqs.push(seq);
            }
        }
        states.push(text(&message, "state")?);
        states.dedup();
        state.send_replace(text(&message, "state")?);
    }
    Ok((seqs, states))
}

/// The walker's phone.
struct Phone<'a> {
    walker: &'a Person,
    ride: &'a str,
    /// Those after `safe` are kept: a new owner of the region may lack them.
    points: Vec<Value>,
    /// So many are on every replica.
    safe: usize,
    /// None where the server has no sockets.
    socket: Option<Socket>,
    bar: ProgressBar,
}

impl Phone<'_> {
    /// Sends points in batches, each with the last of the batch before repeated, as after a bad link. Where the socket breaks
    /// off it is opened anew, and its greeting says from where to send again.
    async fn send(&mut self, from: usize, to: usize) -> anyhow::Result<()> {
        let mut start = from;
        while start < to {
            let end = (start + BATCH).min(to);
            match self.store(start.saturating_sub(1), end).await {
                Ok(receipt) => {
                    ensure!(
                        number(&receipt, "contiguous_seq")? == i64::try_from(end)?,
                        "points are missing: {receipt}"
                    );
                    start = end;
                    // On a node that does not know, none is said to be safe.
                    let safe = receipt["replicated_seq"].as_u64().unwrap_or_default();
                    self.safe = self.safe.max(usize::try_from(safe)?);
                }
                Err(error) if self.socket.is_some() => {
                    tracing::debug!(error = format!("{error:#}"), "the phone's socket broke off");
                    let socket = self.walker.reopen(&format!("/v1/rides/{}/track", self.ride)).await?;
                    start = usize::try_from(number(&socket.greeting, "contiguous_seq")?)?;
                    ensure!(
                        start >= self.safe,
                        "{} points were said to be on every replica, and {start} are there",
                        self.safe
                    );
                    self.socket = Some(socket);
                }
                Err(error) => return Err(error),
            }
            self.bar.set_position(start as u64);
        }
        Ok(())
    }

    async fn store(&mut self, from: usize, to: usize) -> anyhow::Result<Value> {
        let points = &self.points[from..to];
        match &mut self.socket {
            Some(socket) => {
                let answer = socket.ask(&json!({ "type": "points", "points": points })).await?;
                ensure!(answer["type"] == "stored", "points were refused: {answer}");
                Ok(answer)
            }
            None => {
                let path = format!("/v1/rides/{}/points", self.ride);
                self.walker.post(&path, &json!({ "points": points })).await
            }
        }
    }
}

fn point(fix: &Fix, seq: usize) -> Value {
    json!({
        "seq": seq, "at": fix.at_ms, "place": { "lat": fix.lat, "lon": fix.lon },
        "accuracy_m": 4.0, "elevation_m": fix.elevation_m,
    })
}

async fn check(
    tutor: &Person,
    ride: &str,
    fixes: &[Fix],
    done: &Value,
    recording: &Recording,
) -> anyhow::Result<f64> {
    let summary = tutor.get(&format!("/v1/rides/{ride}/route")).await?;
    let own = length_m(fixes);
    let measured = summary["distance_m"].as_f64().unwrap_or_default();
    let off = (measured - own).abs() / own;
    ensure!(off <= recording.off_max, "{measured:.0} m measured, {own:.0} m by the trace itself");
    ensure!(number(&summary, "points")? == i64::try_from(fixes.len())?, "points were lost: {summary}");
    ensure!(done["state"] == "completed", "the ride is {}", done["state"]);
    let booked = number(done, "distance_m")?;
    ensure!(
        (booked as f64 - measured).abs() <= 1.0,
        "the ride says {booked} m and the route {measured:.0} m"
    );
    let geojson = tutor.get(&format!("/v1/rides/{ride}/route.geojson")).await?;
    let kind = &geojson["geometry"]["type"];
    ensure!(kind == recording.geometry, "the route is drawn as {kind}, not as {}", recording.geometry);
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
