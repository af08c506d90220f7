//! `/v1/rides/{id}/points` and `/v1/rides/{id}/route`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Json, NoContent, Problems};
use crate::guest::api::{ApproachBody, Fences, FencesBody, PointsBody, Polylines, Stored};
use crate::guest::bindings::petwalker::tracking::routes::{Approach, RouteSummary};
use crate::guest::extract::{Auth, Call, Query};
use crate::guest::problem::Problem;
use crate::guest::replicas::{LATER, Replicas};
use crate::guest::{CHANGED, local, ops};

/// Stores points of a walk, as JSON or MessagePack. Points that were sent before are passed over. A device keeps those after
/// `replicated_seq`, for they are on one disk only yet.
#[utoipa::path(post, path = "/v1/rides/{id}/points", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    request_body(content((PointsBody = "application/json"), (PointsBody = "application/msgpack"))),
    responses((status = 200, body = Stored), Problems))]
pub async fn append(
    Path(id): Path<String>,
    replicas: Replicas,
    call: Call<PointsBody>,
) -> Result<Response, Problem> {
    let stored = ops::tracks::append(&call.context.caller, &id, call.body, replicas)?;
    Ok(([(CHANGED, id)], [LATER], Json(stored)).into_response())
}

/// Tells how far the walker has come on the way to the pets; when to expect them, where the pickup is known.
#[utoipa::path(put, path = "/v1/rides/{id}/approach", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), request_body = ApproachBody,
    responses((status = 200, body = Option<Approach>), Problems))]
pub async fn approach(Path(id): Path<String>, call: Call<ApproachBody>) -> Result<Response, Problem> {
    let told = ops::tracks::approach(&call.context.caller, &id, call.body)?;
    Ok(([(CHANGED, id)], [LATER], Json(told)).into_response())
}

/// Sets where a walk may go and end: its tutor or an operator.
#[utoipa::path(put, path = "/v1/rides/{id}/fences", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), request_body = FencesBody,
    responses((status = 200, body = Fences), Problems))]
pub async fn set_fences(Path(id): Path<String>, call: Call<FencesBody>) -> Result<Json<Fences>, Problem> {
    let fences = ops::tracks::set_fences(&call.context.caller, &id, call.body)?;
    Ok(Json(Fences { fences }))
}

/// The fences of a ride. Its walker is shown none once it is over.
#[utoipa::path(get, path = "/v1/rides/{id}/fences", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, body = Fences), Problems))]
pub async fn fences(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Fences>, Problem> {
    Ok(Json(Fences { fences: ops::tracks::fences(&caller, &id)? }))
}

/// The route in figures.
#[utoipa::path(get, path = "/v1/rides/{id}/route", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, body = RouteSummary), Problems))]
pub async fn summary(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<RouteSummary>, Problem> {
    ops::tracks::summary(&caller, &id).map(Json)
}

/// How fine a route is to be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Fineness {
    /// How far from the route its lines may be, metres, 0 to 1000; left out for 0.
    #[serde(default)]
    tolerance_m: f64,
}

/// The route as a GeoJSON feature. A walker is not shown the surroundings of the pickup once the ride is over.
#[utoipa::path(get, path = "/v1/rides/{id}/route.geojson", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), Fineness),
    responses((status = 200, content_type = "application/geo+json"), Problems))]
pub async fn geojson(
    Auth(caller): Auth,
    Path(id): Path<String>,
    Query(fineness): Query<Fineness>,
) -> Result<Response, Problem> {
    let body = ops::tracks::geojson(&caller, &id, fineness.tolerance_m)?;
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], body).into_response())
}

/// The route as GPX 1.1.
#[utoipa::path(get, path = "/v1/rides/{id}/route.gpx", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), Fineness),
    responses((status = 200, content_type = "application/gpx+xml"), Problems))]
pub async fn gpx(
    Auth(caller): Auth,
    Path(id): Path<String>,
    Query(fineness): Query<Fineness>,
) -> Result<Response, Problem> {
    let body = ops::tracks::gpx(&caller, &id, fineness.tolerance_m)?;
    Ok(([(header::CONTENT_TYPE, "application/gpx+xml")], body).into_response())
}

/// The route as encoded polylines.
#[utoipa::path(get, path = "/v1/rides/{id}/route.polylines", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), Fineness),
    responses((status = 200, body = Polylines), Problems))]
pub async fn polylines(
    Auth(caller): Auth,
    Path(id): Path<String>,
    Query(fineness): Query<Fineness>,
) -> Result<Json<Polylines>, Problem> {
    ops::tracks::polylines(&caller, &id, fineness.tolerance_m).map(Json)
}

/// Erases the route of a ride that is over: its tutor or an operator.
#[utoipa::path(delete, path = "/v1/rides/{id}/route", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 204), Problems))]
pub async fn erase(Auth(caller): Auth, Path(id): Path<String>) -> Result<NoContent, Problem> {
    local(ops::tracks::erase(&caller, &id)).await.map(|()| NoContent)
}
