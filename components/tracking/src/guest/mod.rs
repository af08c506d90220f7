//! The component: bindings, and conversions between them and the domain.

mod bindings;

use petwalker_kernel::{GeoPoint, RideId, UtcMillis};
use petwalker_store::Database;

use self::bindings::Component;
use self::bindings::exports::petwalker::tracking::routes as wit;
use crate::domain::{self, Route, TrackPoint, Verdict};
use crate::service::{self, Refusal};

impl wit::Guest for Component {
    fn append(ride_id: String, points: Vec<wit::TrackPoint>) -> Result<wit::Receipt, wit::Refusal> {
        let ride = ride(&ride_id)?;
        let points = points.iter().enumerate().map(convert_point).collect::<Result<Vec<_>, _>>()?;
        let receipt = service::append(&region()?, ride, &points)?;
        Ok(wit::Receipt {
            stored: receipt.stored,
            duplicates: receipt.duplicates,
            contiguous_seq: receipt.contiguous_seq,
            last_seq: receipt.last_seq,
        })
    }

    fn summary(ride_id: String) -> Result<wit::RouteSummary, wit::Refusal> {
        let route = service::route(&region()?, ride(&ride_id)?)?;
        Ok(summary(&route))
    }

    fn geojson(ride_id: String) -> Result<String, wit::Refusal> {
        Ok(domain::geojson(&ride_id, &service::route(&region()?, ride(&ride_id)?)?))
    }

    fn gpx(ride_id: String) -> Result<String, wit::Refusal> {
        Ok(domain::gpx(&ride_id, &service::route(&region()?, ride(&ride_id)?)?))
    }
}

fn region() -> Result<Database, Refusal> {
    Ok(Database::open("region")?)
}

fn ride(id: &str) -> Result<RideId, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound)
}

fn convert_point((index, p): (usize, &wit::TrackPoint)) -> Result<TrackPoint, Refusal> {
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

fn count(route: &Route, verdict: Verdict) -> u32 {
    u32::try_from(route.count(verdict)).unwrap_or(u32::MAX)
}

fn summary(route: &Route) -> wit::RouteSummary {
    let position = |place: GeoPoint| wit::Position { lat: place.lat(), lon: place.lon() };
    wit::RouteSummary {
        distance_m: route.distance_m,
        elapsed_ms: route.elapsed.unsigned(),
        moving_ms: route.moving().unsigned(),
        pauses: route
            .pauses
            .iter()
            .map(|p| wit::Pause {
                started_at: wit::Instant { epoch_ms: p.started_at.get() },
                duration_ms: p.lasted.unsigned(),
                place: position(p.place),
            })
            .collect(),
        points: u32::try_from(route.points.len()).unwrap_or(u32::MAX),
        inaccurate: count(route, Verdict::Inaccurate),
        jumps: count(route, Verdict::Jump),
        ascent_m: route.ascent_m,
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let (code, field) = match &refusal {
            Refusal::Invalid { field, .. } => (Code::Invalid, Some(field.clone())),
            Refusal::NotFound => (Code::NotFound, None),
            Refusal::Sql(_) => (Code::Unavailable, None),
        };
        Self { code, message: refusal.to_string(), field }
    }
}
