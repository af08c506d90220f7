//! The component: bindings, and conversions between them and the domain.

mod bindings;
mod convert;

use petwalker_kernel::{Millis, RideId, UtcMillis};
use petwalker_store::{Ambient, Database};

use self::bindings::Component;
use self::bindings::exports::petwalker::tracking::routes as wit;
use crate::domain;
use crate::service::{self, Batch, Refusal, Report};

impl wit::Guest for Component {
    fn ingest(
        batches: Vec<wit::Batch>,
        published: Option<u64>,
    ) -> Result<Vec<Result<wit::Receipt, wit::Refusal>>, wit::Refusal> {
        // What cannot be read is refused by itself; the rest goes into one transaction.
        let read: Vec<Result<Batch, Refusal>> = batches.iter().map(convert::batch).collect();
        let good: Vec<Batch> = read.iter().filter_map(|batch| batch.as_ref().ok().cloned()).collect();
        let sql = region()?;
        let stored = Ambient::moment(|moment| service::ingest(&sql, moment, &good, published))?;
        let mut stored = stored.into_iter();
        let answers = read.into_iter().map(|batch| match batch {
            Ok(batch) => {
                let receipt = stored.next().unwrap_or(Err(Refusal::NotFound))?;
                Ok(convert::receipt(&receipt, batch.watched))
            }
            Err(refusal) => Err(refusal.into()),
        });
        Ok(answers.collect())
    }

    fn expect(ride_id: String, pickup: wit::Circle, keeper: Option<wit::Keeper>) -> Result<(), wit::Refusal> {
        let (ride, pickup) = (ride(&ride_id)?, convert::circle("pickup", &pickup)?);
        let keeper = keeper.map(|keeper| convert::keeper(ride, &keeper)).transpose()?;
        let sql = region()?;
        Ok(Ambient::moment(|moment| service::expect(&sql, moment, ride, pickup, keeper.as_ref()))?)
    }

    fn begin(ride_id: String, started_at: wit::Instant, skew_ms: u64) -> Result<(), wit::Refusal> {
        let (sql, ride) = (region()?, ride(&ride_id)?);
        let started_at = UtcMillis::new(started_at.epoch_ms);
        let skew = Millis::new(i64::try_from(skew_ms).unwrap_or(i64::MAX));
        Ok(Ambient::moment(|moment| service::begin(&sql, moment, ride, started_at, skew))?)
    }

    fn settle(ride_id: String) -> Result<(), wit::Refusal> {
        let (sql, ride) = (region()?, ride(&ride_id)?);
        Ok(Ambient::moment(|moment| service::settle(&sql, moment, ride))?)
    }

    fn settle_due(lacking_ms: u32) -> Result<wit::Settled, wit::Refusal> {
        let sql = region()?;
        let lacking = Millis::new(lacking_ms.into());
        let settled = Ambient::moment(|moment| service::settle_due(&sql, moment, lacking))?;
        let service::Settled { told, unreadable, more } = settled;
        Ok(wit::Settled { told, unreadable, more })
    }

    fn told_in(ride_id: String) -> Result<Vec<wit::ToldMark>, wit::Refusal> {
        Ok(convert::told(&service::told_in(&region()?, ride(&ride_id)?)?))
    }

    fn take_over(events: Vec<wit::ReplicaEvent>) -> Result<u64, wit::Refusal> {
        let events = events.into_iter().map(convert::owners_event).collect::<Result<_, _>>()?;
        Ok(service::take_over(&region()?, events)?)
    }

    fn set_fences(
        ride_id: String,
        home: Option<wit::Circle>,
        area: Option<wit::Circle>,
        keeper: Option<wit::Keeper>,
    ) -> Result<Vec<wit::Fence>, wit::Refusal> {
        let home = home.as_ref().map(|home| convert::circle("home", home)).transpose()?;
        let area = area.as_ref().map(|area| convert::circle("area", area)).transpose()?;
        let (sql, ride) = (region()?, ride(&ride_id)?);
        let keeper = keeper.map(|keeper| convert::keeper(ride, &keeper)).transpose()?;
        let set =
            Ambient::moment(|moment| service::set_fences(&sql, moment, ride, home, area, keeper.as_ref()))?;
        Ok(convert::fences(&set.fences))
    }

    fn fences_of(ride_id: String) -> Result<Vec<wit::Fence>, wit::Refusal> {
        Ok(convert::fences(&service::progress(&region()?, ride(&ride_id)?)?.fences))
    }

    fn report_approach(
        reports: Vec<wit::ApproachReport>,
    ) -> Result<Vec<Result<wit::Progress, wit::Refusal>>, wit::Refusal> {
        // What cannot be read is refused by itself, as in `ingest`.
        let read: Vec<Result<Report, Refusal>> = reports.iter().map(convert::report).collect();
        let good: Vec<Report> = read.iter().filter_map(|report| report.as_ref().ok().copied()).collect();
        let sql = region()?;
        let mut known = Ambient::moment(|moment| service::approach(&sql, moment, &good))?.into_iter();
        let answers = read.into_iter().map(|report| {
            report?;
            let progress = known.next().ok_or(Refusal::NotFound)??;
            let next = domain::precision(progress.live.as_ref(), &progress.fences, true);
            Ok(convert::progress(&progress, next))
        });
        Ok(answers.collect())
    }

    fn last_fix(ride_id: String) -> Result<Option<wit::Fix>, wit::Refusal> {
        Ok(service::progress(&region()?, ride(&ride_id)?)?.approach.as_ref().map(convert::fix))
    }

    fn progress_of(ride_id: String, watched: bool) -> Result<wit::Progress, wit::Refusal> {
        let progress = service::progress(&region()?, ride(&ride_id)?)?;
        let next = domain::precision(progress.live.as_ref(), &progress.fences, watched);
        Ok(convert::progress(&progress, next))
    }

    fn points_after(
        ride_id: String,
        cursor: u32,
        limit: u32,
        hidden: Option<wit::Circle>,
    ) -> Result<wit::Reading, wit::Refusal> {
        let view = domain::View { hidden: convert::hidden(hidden.as_ref())?, ..Default::default() };
        let mut points = service::points_after(&region()?, ride(&ride_id)?, cursor)?;
        points.truncate(limit as usize);
        let cursor = cursor.saturating_add(convert::count(points.len()));
        let shown = points.iter().filter(|point| view.shows(point.place));
        Ok(wit::Reading { points: shown.map(convert::point_out).collect(), cursor })
    }

    fn summary(ride_id: String, hidden: Option<wit::Circle>) -> Result<wit::RouteSummary, wit::Refusal> {
        let hidden = convert::hidden(hidden.as_ref())?;
        let (sql, ride) = (region()?, ride(&ride_id)?);
        let fences = service::progress(&sql, ride)?.fences;
        Ok(convert::summary(&service::route(&sql, ride)?, &fences, hidden))
    }

    fn geojson(ride_id: String, view: wit::RouteView) -> Result<String, wit::Refusal> {
        let view = convert::view(&view)?;
        let (route, marks) = drawn(&ride_id)?;
        Ok(domain::geojson(&ride_id, &route, &marks, view))
    }

    fn gpx(ride_id: String, view: wit::RouteView) -> Result<String, wit::Refusal> {
        let view = convert::view(&view)?;
        let (route, marks) = drawn(&ride_id)?;
        Ok(domain::gpx(&ride_id, &route, &marks, view))
    }

    fn polylines(ride_id: String, view: wit::RouteView) -> Result<Vec<String>, wit::Refusal> {
        let view = convert::view(&view)?;
        Ok(domain::polylines(&service::route(&region()?, ride(&ride_id)?)?, view))
    }

    fn put_mark(ride_id: String, mark: wit::Mark) -> Result<(), wit::Refusal> {
        let mark = convert::mark_in(&mark)?;
        let (sql, ride) = (region()?, ride(&ride_id)?);
        Ok(Ambient::moment(|moment| service::put_mark(&sql, moment, ride, &mark))?)
    }

    fn marks_of(ride_id: String, hidden: Option<wit::Circle>) -> Result<Vec<wit::Mark>, wit::Refusal> {
        let view = domain::View { hidden: convert::hidden(hidden.as_ref())?, ..Default::default() };
        let marks = service::marks_of(&region()?, ride(&ride_id)?)?;
        Ok(marks.iter().filter(|mark| view.shows(mark.place)).map(convert::mark_out).collect())
    }

    fn remove_mark(ride_id: String, mark_id: String) -> Result<bool, wit::Refusal> {
        let id = convert::mark_id(&mark_id)?;
        let (sql, ride) = (region()?, ride(&ride_id)?);
        Ok(Ambient::moment(|moment| service::remove_mark(&sql, moment, ride, id))?)
    }

    fn photographed(ride_id: String) -> Result<bool, wit::Refusal> {
        Ok(service::progress(&region()?, ride(&ride_id)?)?.photographed)
    }

    fn erase(ride_id: String) -> Result<bool, wit::Refusal> {
        let (sql, ride) = (region()?, ride(&ride_id)?);
        Ok(Ambient::moment(|moment| service::erase(&sql, moment, ride))?)
    }

    fn tracks_of(tutor_id: String) -> Result<Vec<String>, wit::Refusal> {
        let tutor = tutor_id.parse().map_err(|_| Refusal::NotFound)?;
        let rides = service::tracks_of(&region()?, tutor)?;
        Ok(rides.iter().map(ToString::to_string).collect())
    }

    fn expire(ride_id: String) -> Result<(), wit::Refusal> {
        Ok(service::expire(&region()?, ride(&ride_id)?)?)
    }

    fn expired(days: u32) -> Result<Vec<String>, wit::Refusal> {
        let age = Millis::from_mins(i64::from(days) * 24 * 60);
        let expired = service::expired(&region()?, Ambient::now(), age)?;
        Ok(expired.iter().map(ToString::to_string).collect())
    }
}

/// What a ride's route is drawn with.
fn drawn(ride_id: &str) -> Result<(domain::Route, Vec<domain::Mark>), Refusal> {
    let (sql, ride) = (region()?, ride(ride_id)?);
    Ok((service::route(&sql, ride)?, service::marks_of(&sql, ride)?))
}

fn region() -> Result<Database, Refusal> {
    Ok(Database::open("region")?)
}

fn ride(id: &str) -> Result<RideId, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound)
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let (code, field) = match &refusal {
            Refusal::Invalid { field, .. } => (Code::Invalid, Some(field.clone())),
            Refusal::LimitReached(_) => (Code::LimitReached, None),
            Refusal::NotFound => (Code::NotFound, None),
            Refusal::Sql(_) => (Code::Unavailable, None),
        };
        Self { code, message: refusal.to_string(), field }
    }
}
