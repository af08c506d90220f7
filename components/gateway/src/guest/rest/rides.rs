//! `/v1/rides`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::{Created, Json, NoContent, Page, Problems};
use crate::guest::api::{IncidentBody, Nothing, PinBody, RatingBody, RideBody, RideOrOffer};
use crate::guest::bindings::petwalker::identity::profiles::Walker;
use crate::guest::bindings::petwalker::matching::rides::{Ride, RideAction, RidePage};
use crate::guest::extract::{Auth, Call, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// A ride with its version as the entity tag, for `If-Match`.
pub struct Versioned(Ride);

impl IntoResponse for Versioned {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0.version));
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Requests a ride with a quote; walkers around get offers at once.
#[utoipa::path(post, path = "/v1/rides", tag = "rides", security(("bearer" = [])), request_body = RideBody,
    responses((status = 201, body = Ride), Problems))]
pub async fn request(call: Call<RideBody>) -> Result<Created<Ride>, Problem> {
    local(ops::rides::request(call.context, call.body)).await.map(Created)
}

/// The caller's rides, newest first.
#[utoipa::path(get, path = "/v1/rides", tag = "rides", security(("bearer" = [])), params(Page),
    responses((status = 200, body = RidePage), Problems))]
pub async fn list(Auth(caller): Auth, Query(page): Query<Page>) -> Result<Json<RidePage>, Problem> {
    ops::rides::list(&caller, page.cursor.as_deref(), page.limit).map(Json)
}

/// A ride of the caller's. A walker who is offered the ride is told what the offer says, as long as that is open.
#[utoipa::path(get, path = "/v1/rides/{id}", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")),
    responses((status = 200, body = RideOrOffer), Problems))]
pub async fn get(Auth(caller): Auth, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(match ops::rides::get_or_offer(&caller, &id)? {
        RideOrOffer::Ride(ride) => Versioned(*ride).into_response(),
        offer @ RideOrOffer::Offer(_) => Json(offer).into_response(),
    })
}

/// The walker takes the offer: the first one gets the ride.
#[utoipa::path(post, path = "/v1/rides/{id}/accept", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn accept(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    local(ops::rides::accept(call.context, id)).await.map(Versioned)
}

/// The walker lets the offer pass, and is told nothing more of the ride.
#[utoipa::path(post, path = "/v1/rides/{id}/decline", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 204), Problems))]
pub async fn decline(Path(id): Path<String>, call: Call<Nothing>) -> Result<NoContent, Problem> {
    ops::rides::decline(&call.context, &id).map(|()| NoContent)
}

/// The walker is at the pickup: the last fix told on the way there, or the presence, must be at most 2 minutes old and
/// within 150 m of it.
#[utoipa::path(post, path = "/v1/rides/{id}/arrive", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn arrive(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::arrive(&call.context, &id).map(Versioned)
}

/// The walk rests.
#[utoipa::path(post, path = "/v1/rides/{id}/pause", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn pause(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::act(&call.context, &id, &RideAction::Pause).map(Versioned)
}

/// The walk goes on.
#[utoipa::path(post, path = "/v1/rides/{id}/resume", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn resume(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::act(&call.context, &id, &RideAction::Resume).map(Versioned)
}

/// Calls the ride off. A tutor may owe a fee; a walker's cancellation looks for another walker.
#[utoipa::path(post, path = "/v1/rides/{id}/cancel", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn cancel(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::act(&call.context, &id, &RideAction::Cancel).map(Versioned)
}

/// The walker waited and the tutor was not there. That the walker still is at the pickup must be seen as on arrival.
#[utoipa::path(post, path = "/v1/rides/{id}/no-show", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn no_show(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::no_show(&call.context, &id).map(Versioned)
}

/// Tutor or operator sets another PIN before the walk starts, which unlocks a PIN that was wrong too often. The tutor reads
/// it in the ride.
#[utoipa::path(post, path = "/v1/rides/{id}/pin", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn renew_pin(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::renew_pin(&call.context, &id).map(Versioned)
}

/// The walker starts the walk with the tutor's PIN.
#[utoipa::path(post, path = "/v1/rides/{id}/start", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    request_body = PinBody, responses((status = 200, body = Ride), Problems))]
pub async fn start(Path(id): Path<String>, call: Call<PinBody>) -> Result<Versioned, Problem> {
    local(ops::rides::start(call.context, id, call.body.pin)).await.map(Versioned)
}

/// The walk is done; what was walked is what tracking measured.
#[utoipa::path(post, path = "/v1/rides/{id}/complete", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Ride), Problems))]
pub async fn complete(Path(id): Path<String>, call: Call<Nothing>) -> Result<Versioned, Problem> {
    ops::rides::complete(&call.context, &id).map(Versioned)
}

/// An incident ends the walk.
#[utoipa::path(post, path = "/v1/rides/{id}/interrupt", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    request_body = IncidentBody, responses((status = 200, body = Ride), Problems))]
pub async fn interrupt(Path(id): Path<String>, call: Call<IncidentBody>) -> Result<Versioned, Problem> {
    ops::rides::interrupt(&call.context, &id, call.body.reason).map(Versioned)
}

/// The tutor rates the walker, once a ride.
#[utoipa::path(post, path = "/v1/rides/{id}/rating", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), ("If-Match" = Option<String>, Header)),
    request_body = RatingBody, responses((status = 201, body = Walker), Problems))]
pub async fn rate(Path(id): Path<String>, call: Call<RatingBody>) -> Result<Created<Walker>, Problem> {
    local(ops::rides::rate(call.context, id, call.body)).await.map(Created)
}
