//! Routes of rides.

use super::Outcome;
use crate::guest::api::{PointsBody, Stored};
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::matching::rides::{self, RideState};
use crate::guest::bindings::petwalker::tracking::routes::{self, Batch, RouteSummary};
use crate::guest::problem::Problem;

/// Stores points of a walk that is under way, sent by its walker.
pub fn append(caller: &Caller, id: &str, body: PointsBody) -> Outcome<Stored> {
    let ride = rides::get(caller, id)?;
    if ride.walker_id.as_ref() != Some(&caller.account_id) {
        return Err(Problem::new("forbidden", "only the ride's walker sends points"));
    }
    if !matches!(ride.state, RideState::Started | RideState::Paused) {
        return Err(Problem::new("not-active", "points are taken while the walk is under way"));
    }
    let batch = Batch { ride_id: id.to_owned(), points: body.points, watched: false };
    let receipt = routes::ingest(&[batch])?.pop();
    let receipt = receipt.ok_or_else(|| Problem::new("internal", "a batch got no answer"))?;
    Ok(Stored::of(&receipt?))
}

/// That the caller may see the ride, and so its route.
fn may_see(caller: &Caller, id: &str) -> Outcome<()> {
    Ok(rides::get(caller, id).map(drop)?)
}

pub fn summary(caller: &Caller, id: &str) -> Outcome<RouteSummary> {
    may_see(caller, id)?;
    Ok(routes::summary(id)?)
}

pub fn geojson(caller: &Caller, id: &str) -> Outcome<String> {
    may_see(caller, id)?;
    Ok(routes::geojson(id)?)
}

pub fn gpx(caller: &Caller, id: &str) -> Outcome<String> {
    may_see(caller, id)?;
    Ok(routes::gpx(id)?)
}
