//! `/v1/rides/{id}/points` and `/v1/rides/{id}/route`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;

use super::{Json, Problems};
use crate::guest::api::{PointsBody, Stored};
use crate::guest::bindings::petwalker::tracking::routes::RouteSummary;
use crate::guest::extract::{Auth, Call};
use crate::guest::problem::Problem;
use crate::guest::{CHANGED, ops};

/// Stores points of a walk, as JSON or MessagePack. Points that were sent before are passed over.
#[utoipa::path(post, path = "/v1/rides/{id}/points", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    request_body(content((PointsBody = "application/json"), (PointsBody = "application/msgpack"))),
    responses((status = 200, body = Stored), Problems))]
pub async fn append(Path(id): Path<String>, call: Call<PointsBody>) -> Result<Response, Problem> {
    let stored = ops::tracks::append(&call.context.caller, &id, call.body)?;
    Ok(([(CHANGED, id)], Json(stored)).into_response())
}

/// The route in figures.
#[utoipa::path(get, path = "/v1/rides/{id}/route", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, body = RouteSummary), Problems))]
pub async fn summary(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<RouteSummary>, Problem> {
    ops::tracks::summary(&caller, &id).map(Json)
}

/// The route as a GeoJSON feature.
#[utoipa::path(get, path = "/v1/rides/{id}/route.geojson", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, content_type = "application/geo+json"), Problems))]
pub async fn geojson(Auth(caller): Auth, Path(id): Path<String>) -> Result<Response, Problem> {
    let body = ops::tracks::geojson(&caller, &id)?;
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], body).into_response())
}

/// The route as GPX 1.1.
#[utoipa::path(get, path = "/v1/rides/{id}/route.gpx", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, content_type = "application/gpx+xml"), Problems))]
pub async fn gpx(Auth(caller): Auth, Path(id): Path<String>) -> Result<Response, Problem> {
    let body = ops::tracks::gpx(&caller, &id)?;
    Ok(([(header::CONTENT_TYPE, "application/gpx+xml")], body).into_response())
}
