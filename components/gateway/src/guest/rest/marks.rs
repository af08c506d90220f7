//! `/v1/rides/{id}/marks`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Json, Problems};
use crate::guest::api::{MarkBody, Marks};
use crate::guest::bindings::petwalker::tracking::routes::Mark;
use crate::guest::extract::{Auth, Call};
use crate::guest::problem::Problem;
use crate::guest::{CHANGED, ops};

/// Marks the route of a walk under way, under an id of the device's own: sent twice, it is the same mark.
#[utoipa::path(put, path = "/v1/rides/{id}/marks/{mark}", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("mark" = String, Path, description = "A UUID")),
    request_body = MarkBody, responses((status = 200, body = Mark), Problems))]
pub async fn put(
    Path((id, mark)): Path<(String, String)>,
    call: Call<MarkBody>,
) -> Result<Response, Problem> {
    let mark = ops::marks::put(&call.context.caller, &id, mark, call.body)?;
    Ok(([(CHANGED, id)], Json(mark)).into_response())
}

/// Takes a mark off the route of a walk under way.
#[utoipa::path(delete, path = "/v1/rides/{id}/marks/{mark}", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("mark" = String, Path, description = "A UUID")),
    responses((status = 204), Problems))]
pub async fn remove(
    Auth(caller): Auth,
    Path((id, mark)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ops::marks::remove(&caller, &id, &mark)?;
    Ok((StatusCode::NO_CONTENT, [(CHANGED, id)]).into_response())
}

/// The marks of a walk in the order of time. A walker is not shown those around the pickup once the ride is over.
#[utoipa::path(get, path = "/v1/rides/{id}/marks", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), responses((status = 200, body = Marks), Problems))]
pub async fn list(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Marks>, Problem> {
    Ok(Json(Marks { marks: ops::marks::list(&caller, &id)? }))
}
