//! Between the records of WIT and the domain.

use petwalker_kernel::{GeoPoint, MarkId, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::OwnersEvent;

use super::bindings::exports::petwalker::tracking::routes as wit;
use crate::domain::{
    self, AccuracyClass, Circle, Fence, FenceKind, Fences, Live, Mark, MarkKind, Route, TOLERANCE_M_MAX,
    ToldMark, TrackPoint, Verdict, View,
};
use crate::service::{self, Batch, Receipt, Refusal, Report};
use crate::sql::Keeper;

/// Runs of missing numbers that are told at once.
const MISSING_TOLD: usize = 32;

pub(super) fn batch(batch: &wit::Batch) -> Result<Batch, Refusal> {
    let points = batch.points.iter().enumerate().map(point_in).collect::<Result<_, _>>()?;
    Ok(Batch { ride: super::ride(&batch.ride_id)?, points, watched: batch.watched })
}

fn key(bytes: &[u8]) -> Result<SealKey, Refusal> {
    let wrong = || Refusal::Invalid { field: "seal_key".to_owned(), message: "has 32 bytes".to_owned() };
    SealKey::from_slice(bytes).ok_or_else(wrong)
}

pub(super) fn keeper(ride: RideId, keeper: &wit::Keeper) -> Result<Keeper, Refusal> {
    let tutor_id = keeper.tutor_id.parse().map_err(|e: petwalker_kernel::IdError| Refusal::Invalid {
        field: "tutor_id".to_owned(),
        message: e.to_string(),
    })?;
    Ok(Keeper { tutor_id, key: service::key_of(ride, &key(&keeper.seal_key)?) })
}

pub(super) fn owners_event(event: wit::ReplicaEvent) -> Result<OwnersEvent, Refusal> {
    let seal_key = event.seal_key.as_deref().map(key).transpose()?;
    Ok(OwnersEvent { record: event.bytes, seal_key })
}

fn point_in((index, p): (usize, &wit::TrackPoint)) -> Result<TrackPoint, Refusal> {
    TrackPoint::new(
        p.seq,
        UtcMillis::new(p.at.epoch_ms),
        (p.place.lat, p.place.lon),
        p.accuracy_m.into(),
        p.elevation_m.map(f64::from),
    )
    .map_err(|bad| Refusal::Invalid {
        field: format!("points[{index}].{}", bad.field),
        message: bad.message.to_owned(),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "metres to the tenth, as the device gave them")]
pub(super) fn point_out(p: &TrackPoint) -> wit::TrackPoint {
    wit::TrackPoint {
        seq: p.seq,
        at: instant(p.at),
        place: position(p.place),
        accuracy_m: p.accuracy_m as f32,
        elevation_m: p.elevation_m.map(|e| e as f32),
    }
}

pub(super) fn receipt(receipt: &Receipt, watched: bool) -> wit::Receipt {
    wit::Receipt {
        stored: count(receipt.fresh.len()),
        duplicates: receipt.duplicates,
        progress: progress(&receipt.progress, receipt.next),
        fresh: if watched { receipt.fresh.iter().map(point_out).collect() } else { Vec::new() },
        told: told(&receipt.told),
    }
}

pub(super) fn told(marks: &[ToldMark]) -> Vec<wit::ToldMark> {
    let mark = |mark: &ToldMark| wit::ToldMark { event: mark.event, contiguous_seq: mark.contiguous };
    marks.iter().map(mark).collect()
}

pub(super) fn progress(progress: &domain::Progress, next: domain::Precision) -> wit::Progress {
    let missing = progress.seqs.missing().take(MISSING_TOLD);
    wit::Progress {
        cursor: progress.count,
        contiguous_seq: progress.seqs.contiguous(),
        last_seq: progress.seqs.highest(),
        missing: missing.map(|(first, last)| wit::SeqRun { first, last }).collect(),
        live: progress.live.as_ref().map(live),
        approach: approach(progress),
        marks: progress.marks,
        fences: progress
            .fences
            .all()
            .iter()
            .map(|f| wit::FenceState { kind: kind(f.kind), inside: f.inside })
            .collect(),
        next: wit::Precision {
            interval_ms: u32::try_from(next.interval.get()).unwrap_or(u32::MAX),
            accuracy: match next.accuracy {
                AccuracyClass::High => wit::AccuracyClass::High,
                AccuracyClass::Balanced => wit::AccuracyClass::Balanced,
            },
        },
    }
}

fn approach(progress: &domain::Progress) -> Option<wit::Approach> {
    let approach = progress.approach?;
    let expected = approach.expected(progress.fences.get(FenceKind::Pickup)?);
    Some(wit::Approach {
        place: position(approach.place),
        at: instant(approach.at),
        distance_m: expected.distance_m,
        eta_ms: expected.eta.unsigned(),
    })
}

pub(super) const fn fix(approach: &domain::Approach) -> wit::Fix {
    wit::Fix { place: position(approach.place), at: instant(approach.at), accuracy_m: approach.accuracy_m }
}

const fn kind(kind: FenceKind) -> wit::FenceKind {
    match kind {
        FenceKind::Pickup => wit::FenceKind::Pickup,
        FenceKind::Home => wit::FenceKind::Home,
        FenceKind::Area => wit::FenceKind::Area,
    }
}

pub(super) fn fences(fences: &Fences) -> Vec<wit::Fence> {
    let fence = |fence: &Fence| wit::Fence {
        kind: kind(fence.kind),
        circle: wit::Circle { centre: position(fence.circle.centre), radius_m: fence.circle.radius_m },
        inside: fence.inside,
    };
    fences.all().iter().map(fence).collect()
}

pub(super) fn report(report: &wit::ApproachReport) -> Result<Report, Refusal> {
    let at = UtcMillis::new(report.at.epoch_ms);
    let place = (report.place.lat, report.place.lon);
    let fix = TrackPoint::new(1, at, place, f64::from(report.accuracy_m), None)
        .map_err(|bad| invalid(bad.field, bad.message.to_owned()))?;
    Ok(Report { ride: super::ride(&report.ride_id)?, fix })
}

pub(super) fn mark_in(mark: &wit::Mark) -> Result<Mark, Refusal> {
    // A mark is noted at a place and a time as a point is taken at.
    let at = UtcMillis::new(mark.at.epoch_ms);
    let point = TrackPoint::new(1, at, (mark.place.lat, mark.place.lon), 0.0, None)
        .map_err(|bad| invalid(bad.field, bad.message.to_owned()))?;
    let kind = match mark.kind {
        wit::MarkKind::Pee => MarkKind::Pee,
        wit::MarkKind::Poo => MarkKind::Poo,
        wit::MarkKind::Water => MarkKind::Water,
        wit::MarkKind::Photo => MarkKind::Photo,
    };
    Ok(Mark { id: mark_id(&mark.id)?, kind, at: point.at, place: point.place })
}

pub(super) fn mark_id(id: &str) -> Result<MarkId, Refusal> {
    id.parse().map_err(|_| invalid("id", "must be a UUID in lower case, such as the device makes".to_owned()))
}

pub(super) fn mark_out(mark: &Mark) -> wit::Mark {
    let kind = match mark.kind {
        MarkKind::Pee => wit::MarkKind::Pee,
        MarkKind::Poo => wit::MarkKind::Poo,
        MarkKind::Water => wit::MarkKind::Water,
        MarkKind::Photo => wit::MarkKind::Photo,
    };
    wit::Mark { id: mark.id.to_string(), kind, at: instant(mark.at), place: position(mark.place) }
}

fn live(live: &Live) -> wit::LiveFigures {
    wit::LiveFigures {
        distance_m: live.distance_m(),
        speed_m_s: live.speed_m_s(),
        still_ms: live.still().unsigned(),
        at: instant(live.at()),
        place: Some(position(live.place())),
    }
}

pub(super) fn summary(route: &Route, fences: &Fences, hidden: Option<Circle>) -> wit::RouteSummary {
    wit::RouteSummary {
        distance_m: route.distance_m,
        elapsed_ms: route.elapsed.unsigned(),
        moving_ms: route.moving().unsigned(),
        pauses: route
            .pauses
            .iter()
            .map(|p| wit::Pause {
                started_at: instant(p.started_at),
                duration_ms: p.lasted.unsigned(),
                place: hidden.is_none_or(|hidden| !hidden.covers(p.place)).then(|| position(p.place)),
            })
            .collect(),
        gaps: route
            .gaps
            .iter()
            .map(|g| wit::Gap {
                started_at: instant(g.started_at),
                duration_ms: g.lasted.unsigned(),
                straight_m: g.straight_m,
                bridged: g.bridged,
            })
            .collect(),
        hastes: route
            .hastes
            .iter()
            .map(|h| wit::Haste {
                started_at: instant(h.started_at),
                duration_ms: h.lasted.unsigned(),
                length_m: h.length_m,
            })
            .collect(),
        points: count(route.points.len()),
        inaccurate: count(route.count(Verdict::Inaccurate)),
        jumps: count(route.count(Verdict::Jump)),
        out_of_time: count(route.count(Verdict::OutOfTime)),
        ascent_m: route.ascent_m,
        crossings: fences
            .crossings()
            .iter()
            .map(|c| wit::Crossing { kind: kind(c.kind), entered: c.entered, at: instant(c.at) })
            .collect(),
    }
}

pub(super) fn view(view: &wit::RouteView) -> Result<View, Refusal> {
    if !(0.0..=TOLERANCE_M_MAX).contains(&view.tolerance_m) {
        return Err(invalid("tolerance_m", format!("must be 0 to {TOLERANCE_M_MAX}")));
    }
    Ok(View { tolerance_m: view.tolerance_m, hidden: hidden(view.hidden.as_ref())? })
}

pub(super) fn hidden(hidden: Option<&wit::Circle>) -> Result<Option<Circle>, Refusal> {
    hidden.map(|hidden| circle("hidden", hidden)).transpose()
}

pub(super) fn circle(field: &str, circle: &wit::Circle) -> Result<Circle, Refusal> {
    let centre = GeoPoint::new(circle.centre.lat, circle.centre.lon)
        .map_err(|e| invalid(&format!("{field}.centre"), e.to_string()))?;
    Ok(Circle { centre, radius_m: circle.radius_m })
}

fn invalid(field: &str, message: String) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), message }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const fn instant(at: UtcMillis) -> wit::Instant {
    wit::Instant { epoch_ms: at.get() }
}

const fn position(place: GeoPoint) -> wit::Position {
    wit::Position { lat: place.lat(), lon: place.lon() }
}
