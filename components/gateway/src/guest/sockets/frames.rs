//! Frames of walkers' devices: read, stored together, answered one by one.

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{News, answer, pack, stored, unpack};
use crate::guest::api::{ApproachBody, Stored};
use crate::guest::bindings::petwalker::matching::rides::{self, RideState};
use crate::guest::bindings::petwalker::tracking::routes::{
    self, Approach, ApproachReport, Batch, Progress, Receipt, TrackPoint,
};
use crate::guest::internal;
use crate::guest::live::{self, LiveMessage};
use crate::guest::ops::Outcome;
use crate::guest::problem::Problem;
use crate::guest::replicas::Replicas;

#[derive(Deserialize)]
struct Frames {
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    key: String,
    context: ByteBuf,
    watched: bool,
    body: ByteBuf,
}

#[derive(Serialize)]
struct Answers {
    answers: Vec<Answer>,
}

#[derive(Default, Serialize)]
struct Answer {
    body: ByteBuf,
    news: Option<News>,
}

/// What a walker's device sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    #[serde(rename = "type")]
    kind: SentKind,
    /// The client's own number of the frame, which its answer repeats.
    #[serde(default)]
    id: u64,
    #[serde(default)]
    points: Vec<TrackPoint>,
    fix: Option<ApproachBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SentKind {
    /// Points to store.
    Points,
    /// A fix of the way to the pets.
    Approach,
    /// Asks how far they are stored.
    Status,
}

/// Answers a fix of the way to the pets.
#[derive(Serialize)]
struct ApproachMessage {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    /// None where the fix says nothing of the way.
    approach: Option<Approach>,
}

/// Answers a frame that was not.
#[derive(Serialize)]
struct RefusedMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    code: &'a str,
    message: &'a str,
    field: Option<&'a str>,
}

fn refused(id: u64, problem: &Problem) -> Outcome<ByteBuf> {
    pack(&RefusedMessage {
        kind: "refused",
        id,
        code: &problem.code,
        message: &problem.detail,
        field: problem.field.as_deref(),
    })
}

/// Takes the frames of many sockets: what they carry is stored in one transaction, and each gets its own answer.
pub async fn take(headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    internal::only_the_node(headers).await?;
    let replicas = Replicas::of(headers);
    let Frames { frames } = unpack(body)?;
    let keys: Vec<String> = frames.iter().map(|frame| frame.key.clone()).collect();
    let statuses = rides::statuses(&keys)?;
    let mut answers: Vec<Answer> = frames.iter().map(|_| Answer::default()).collect();
    let (mut batches, mut reports) = (Vec::new(), Vec::new());
    // The frame that each batch and each report came with.
    let (mut of_batches, mut of_reports) = (Vec::new(), Vec::new());
    for (index, (frame, status)) in frames.into_iter().zip(statuses).enumerate() {
        let walker = status.as_ref().and_then(|status| status.walker_id.as_deref());
        match read_frame(&frame, walker, status.as_ref().map(|status| status.state)) {
            Ok(Read { id, state, walker, wants: Wants::Points(points) }) => {
                of_batches.push(Origin { index, id, state, walker });
                batches.push(Batch { ride_id: frame.key, points, watched: frame.watched });
            }
            Ok(Read { id, state, walker, wants: Wants::Approach(fix) }) => {
                of_reports.push(Origin { index, id, state, walker });
                let ApproachBody { at, place, accuracy_m } = fix;
                reports.push(ApproachReport { ride_id: frame.key, at, place, accuracy_m });
            }
            Ok(Read { id, wants: Wants::Status, .. }) => {
                answers[index].body = match so_far(&frame.key, frame.watched, replicas) {
                    Ok(so_far) => stored(id, &so_far)?,
                    Err(problem) => refused(id, &problem)?,
                };
            }
            Err((id, problem)) => answers[index].body = refused(id, &problem)?,
        }
    }
    let receipts = if batches.is_empty() { Vec::new() } else { routes::ingest(&batches, replicas.event())? };
    for ((receipt, batch), origin) in receipts.into_iter().zip(batches).zip(of_batches) {
        answers[origin.index] = match receipt {
            Ok(receipt) => taken(batch.ride_id, receipt, &origin, replicas)?,
            Err(refusal) => Answer { body: refused(origin.id, &refusal.into())?, news: None },
        };
    }
    let known = if reports.is_empty() { Vec::new() } else { routes::report_approach(&reports)? };
    for ((progress, report), origin) in known.into_iter().zip(reports).zip(of_reports) {
        answers[origin.index] = match progress {
            Ok(progress) => approached(report.ride_id, progress, &origin)?,
            Err(refusal) => Answer { body: refused(origin.id, &refusal.into())?, news: None },
        };
    }
    answer(&Answers { answers })
}

/// How far a track is stored.
fn so_far(key: &str, watched: bool, replicas: Replicas) -> Outcome<Stored> {
    let progress = routes::progress_of(key, watched)?;
    Ok(Stored::so_far(&progress, replicas.seq_of(key, &progress)?))
}

/// Where something came from: the frame's place, the client's number of it, and the state and walker of its ride.
struct Origin {
    index: usize,
    id: u64,
    state: RideState,
    walker: String,
}

/// A frame that may be taken.
struct Read {
    /// The client's number of it.
    id: u64,
    /// The state of its ride.
    state: RideState,
    /// The ride's walker, who sent it.
    walker: String,
    wants: Wants,
}

enum Wants {
    Points(Vec<TrackPoint>),
    Approach(ApproachBody),
    Status,
}

/// Reads a frame; the client's number of it with why it is refused.
fn read_frame(frame: &Frame, walker: Option<&str>, state: Option<RideState>) -> Result<Read, (u64, Problem)> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(&frame.body[..]);
    reader.set_max_depth(16);
    let sent: Sent = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        let problem = Problem::new("malformed", e.into_inner().to_string());
        (0, if path == "." { problem } else { problem.at(path) })
    })?;
    let refuse = |code, why| Err((sent.id, Problem::new(code, why)));
    let walker = walker.filter(|walker| walker.as_bytes() == &frame.context[..]);
    let (Some(state), Some(walker)) = (state, walker) else {
        return refuse("forbidden", "the ride is not yours any more");
    };
    let wants = match (sent.kind, sent.fix) {
        (SentKind::Status, _) => Wants::Status,
        (SentKind::Points, _) if live::is_under_way(state) => Wants::Points(sent.points),
        (SentKind::Points, _) => return refuse("not-active", "points are taken while the walk is under way"),
        (SentKind::Approach, Some(fix)) if live::is_on_the_way(state) => Wants::Approach(fix),
        (SentKind::Approach, Some(_)) => {
            return refuse("not-active", "the way is told from acceptance to the start");
        }
        (SentKind::Approach, None) => {
            return Err((sent.id, Problem::new("malformed", "is missing").at("fix")));
        }
    };
    Ok(Read { id: sent.id, state, walker: walker.to_owned(), wants })
}

/// The answer to points, and what is new of their ride.
fn taken(ride_id: String, receipt: Receipt, origin: &Origin, replicas: Replicas) -> Outcome<Answer> {
    let body = stored(origin.id, &Stored::of(&receipt, replicas))?;
    if receipt.fresh.is_empty() {
        return Ok(Answer { body, news: None });
    }
    let to = u64::from(receipt.progress.cursor);
    let from = to - u64::from(receipt.stored);
    let message = LiveMessage::new(ride_id, to, origin.state, receipt.fresh, receipt.progress);
    let audience = origin.walker.clone();
    let news = News { from, to, body: pack(&message)?, whole: false, over: false, audience };
    Ok(Answer { body, news: Some(news) })
}

/// The answer to a fix of the way, and what is new of its ride.
fn approached(ride_id: String, progress: Progress, origin: &Origin) -> Outcome<Answer> {
    let body = pack(&ApproachMessage { kind: "approach", id: origin.id, approach: progress.approach })?;
    let cursor = u64::from(progress.cursor);
    let message = LiveMessage::new(ride_id, cursor, origin.state, Vec::new(), progress);
    let audience = origin.walker.clone();
    let news = News { from: cursor, to: cursor, body: pack(&message)?, whole: true, over: false, audience };
    Ok(Answer { body, news: Some(news) })
}
