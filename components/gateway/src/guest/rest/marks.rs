//! `/v1/rides/{id}/marks`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::{Json, NoContent, Problems};
use crate::guest::api::{MarkBody, Marks};
use crate::guest::bindings::petwalker::media::photos::PhotoType;
use crate::guest::bindings::petwalker::tracking::routes::Mark;
use crate::guest::extract::{Auth, Call, Upload};
use crate::guest::problem::Problem;
use crate::guest::{CHANGED, local, ops};

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
    local(ops::marks::remove(&caller, &id, &mark)).await?;
    Ok((StatusCode::NO_CONTENT, [(CHANGED, id)]).into_response())
}

/// The marks of a walk in the order of time. A walker is not shown those around the pickup once the ride is over.
#[utoipa::path(get, path = "/v1/rides/{id}/marks", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), responses((status = 200, body = Marks), Problems))]
pub async fn list(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Marks>, Problem> {
    Ok(Json(Marks { marks: ops::marks::list(&caller, &id)? }))
}

const fn content_type(photo_type: PhotoType) -> HeaderValue {
    HeaderValue::from_static(match photo_type {
        PhotoType::Jpeg => "image/jpeg",
        PhotoType::Png => "image/png",
        PhotoType::Webp => "image/webp",
    })
}

/// Stores the photo of a mark of the kind `photo`: JPEG, PNG or WebP, told by its content, at most 8 MiB. What it says about
/// where, when and with what it was taken is removed.
#[utoipa::path(put, path = "/v1/rides/{id}/marks/{mark}/photo", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("mark" = String, Path, description = "A UUID")),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"))),
    responses((status = 204), Problems))]
pub async fn put_photo(
    Path((id, mark)): Path<(String, String)>,
    upload: Upload,
) -> Result<NoContent, Problem> {
    local(ops::marks::put_photo(&upload.caller, &id, &mark, upload.bytes.into())).await?;
    Ok(NoContent)
}

/// The photo of a mark.
#[utoipa::path(get, path = "/v1/rides/{id}/marks/{mark}/photo", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("mark" = String, Path, description = "A UUID")),
    responses((status = 200, content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"))), Problems))]
pub async fn photo(
    Auth(caller): Auth,
    Path((id, mark)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let photo = local(ops::marks::photo(&caller, &id, &mark)).await?;
    let headers = [
        (header::CONTENT_TYPE, content_type(photo.photo_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, photo.bytes).into_response())
}
