//! Routes of rides.

use super::Outcome;
use crate::guest::api::{ApproachBody, FencesBody, PointsBody, Polylines, Stored};
use crate::guest::bindings::petwalker::identity::accounts::{Caller, CallerRole};
use crate::guest::bindings::petwalker::matching::rides::Ride;
use crate::guest::bindings::petwalker::tracking::routes::{
    self, Approach, ApproachReport, Batch, Fence, Keeper, RouteSummary, RouteView,
};
use crate::guest::live;
use crate::guest::problem::Problem;
use crate::guest::replicas::Replicas;

/// Stores points of a walk that is under way, sent by its walker.
pub fn append(caller: &Caller, id: &str, body: PointsBody, replicas: Replicas) -> Outcome<Stored> {
    let ride = super::ride(caller, id)?;
    if ride.walker_id.as_ref() != Some(&caller.account_id) {
        return Err(Problem::new("forbidden", "only the ride's walker sends points"));
    }
    if !live::is_under_way(ride.state) {
        return Err(Problem::new("not-active", "points are taken while the walk is under way"));
    }
    let batch = Batch { ride_id: id.to_owned(), points: body.points, watched: false };
    let receipt = routes::ingest(&[batch], replicas.event())?.pop();
    let receipt = receipt.ok_or_else(|| Problem::new("internal", "a batch got no answer"))?;
    Ok(Stored::of(&receipt?, replicas))
}

/// Tells how far the walker has come on the way to the pets.
pub fn approach(caller: &Caller, id: &str, body: ApproachBody) -> Outcome<Option<Approach>> {
    let ride = super::ride(caller, id)?;
    if ride.walker_id.as_ref() != Some(&caller.account_id) {
        return Err(Problem::new("forbidden", "only the ride's walker tells the way"));
    }
    if !live::is_on_the_way(ride.state) {
        return Err(Problem::new("not-active", "the way is told from acceptance to the start"));
    }
    let ApproachBody { at, place, accuracy_m } = body;
    let report = ApproachReport { ride_id: id.to_owned(), at, place, accuracy_m };
    let progress = routes::report_approach(&[report])?.pop();
    Ok(progress.ok_or_else(|| Problem::new("internal", "a report got no answer"))??.approach)
}

/// Sets where a walk may go and end, for its tutor or an operator.
pub fn set_fences(caller: &Caller, id: &str, body: FencesBody) -> Outcome<Vec<Fence>> {
    let ride = super::ride(caller, id)?;
    if caller.role == CallerRole::Walker {
        return Err(Problem::new("forbidden", "the tutor or an operator sets fences"));
    }
    if live::is_over(ride.state) {
        return Err(Problem::new("not-active", "the ride is over"));
    }
    Ok(routes::set_fences(id, body.home, body.area, keeper(&ride)?.as_ref())?)
}

/// Whose a ride's track is; none where its tutor was erased.
pub fn keeper(ride: &Ride) -> Outcome<Option<Keeper>> {
    let seal_key = super::seal_key(&ride.tutor_id)?;
    Ok(seal_key.map(|seal_key| Keeper { tutor_id: ride.tutor_id.clone(), seal_key }))
}

/// The fences of a ride; once it is over its walker is not shown them.
pub fn fences(caller: &Caller, id: &str) -> Outcome<Vec<Fence>> {
    let ride = super::ride(caller, id)?;
    if caller.role == CallerRole::Walker && (ride.pickup.is_none() || live::is_over(ride.state)) {
        return Ok(Vec::new());
    }
    Ok(routes::fences_of(id)?)
}

/// The route as the caller may see it.
fn view(caller: &Caller, id: &str, tolerance_m: f64) -> Outcome<RouteView> {
    let ride = super::ride(caller, id)?;
    let hidden = live::home(caller, &ride).filter(|_| live::is_over(ride.state));
    Ok(RouteView { tolerance_m, hidden })
}

pub fn summary(caller: &Caller, id: &str) -> Outcome<RouteSummary> {
    Ok(routes::summary(id, view(caller, id, 0.0)?.hidden)?)
}

pub fn geojson(caller: &Caller, id: &str, tolerance_m: f64) -> Outcome<String> {
    Ok(routes::geojson(id, view(caller, id, tolerance_m)?)?)
}

pub fn gpx(caller: &Caller, id: &str, tolerance_m: f64) -> Outcome<String> {
    Ok(routes::gpx(id, view(caller, id, tolerance_m)?)?)
}

pub fn polylines(caller: &Caller, id: &str, tolerance_m: f64) -> Outcome<Polylines> {
    Ok(Polylines { polylines: routes::polylines(id, view(caller, id, tolerance_m)?)? })
}

/// Erases the route of a ride that is over, for its tutor or an operator.
pub async fn erase(caller: &Caller, id: &str) -> Outcome<()> {
    let ride = super::ride(caller, id)?;
    if caller.role == CallerRole::Walker {
        return Err(Problem::new("forbidden", "the tutor or an operator erases a route"));
    }
    if !live::is_over(ride.state) {
        return Err(Problem::new("illegal-transition", "a route is erased once its ride is over"));
    }
    super::marks::erase_all(id).await
}
