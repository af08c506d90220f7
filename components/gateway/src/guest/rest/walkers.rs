//! `/v1/walkers`.

use axum::extract::Path;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Json, NoContent, Problems};
use crate::guest::api::{NearbyWalkers, Nothing, Offers};
use crate::guest::bindings::petwalker::identity::profiles::{Position, Walker, WalkerDetails};
use crate::guest::extract::{Auth, Call, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Writes the calling walker's profile.
#[utoipa::path(put, path = "/v1/walkers/me", tag = "walkers", security(("bearer" = [])),
    request_body = WalkerDetails, responses((status = 200, body = Walker), Problems))]
pub async fn put(call: Call<WalkerDetails>) -> Result<Json<Walker>, Problem> {
    local(ops::profiles::put_walker(call.context, call.body)).await.map(Json)
}

/// A walker's profile. To others than the walker the area's centre is the middle of its cell.
#[utoipa::path(get, path = "/v1/walkers/{id}", tag = "walkers", security(("bearer" = [])),
    params(("id" = String, Path, description = "The walker's account")),
    responses((status = 200, body = Walker), Problems))]
pub async fn get(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Walker>, Problem> {
    local(ops::profiles::get_walker(&caller, id)).await.map(Json)
}

/// The calling walker is here and takes offers, for 15 minutes: a device says it again every few minutes.
#[utoipa::path(put, path = "/v1/walkers/me/presence", tag = "walkers", security(("bearer" = [])),
    request_body = Position, responses((status = 204), Problems))]
pub async fn appear(call: Call<Position>) -> Result<NoContent, Problem> {
    local(ops::profiles::appear(call.context.caller, call.body)).await.map(|()| NoContent)
}

/// The calling walker takes no more offers.
#[utoipa::path(delete, path = "/v1/walkers/me/presence", tag = "walkers", security(("bearer" = [])),
    responses((status = 204), Problems))]
pub async fn leave(call: Call<Nothing>) -> Result<NoContent, Problem> {
    ops::profiles::leave(&call.context.caller).map(|()| NoContent)
}

/// The calling walker's open offers, soonest end first.
#[utoipa::path(get, path = "/v1/walkers/me/offers", tag = "walkers", security(("bearer" = [])),
    responses((status = 200, body = Offers), Problems))]
pub async fn offers(Auth(caller): Auth) -> Result<Json<Offers>, Problem> {
    ops::rides::offers(&caller).map(|offers| Json(Offers { offers }))
}

/// A place and how many walkers around it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// Degrees north.
    lat: f64,
    /// Degrees east.
    lon: f64,
    /// At most so many, 1 to 50.
    #[serde(default = "ten")]
    limit: u32,
}

const fn ten() -> u32 {
    10
}

/// The nearest present walkers, nearest first. Distances are in steps of 500 m, from a place that is 500 m to 1500 m from
/// the walker's and changes with the hour.
#[utoipa::path(get, path = "/v1/walkers/nearest", tag = "walkers", security(("bearer" = [])), params(Around),
    responses((status = 200, body = NearbyWalkers), Problems))]
pub async fn nearest(Auth(_): Auth, Query(around): Query<Around>) -> Result<Json<NearbyWalkers>, Problem> {
    let place = Position { lat: around.lat, lon: around.lon };
    ops::profiles::nearest(place, around.limit).map(|walkers| Json(NearbyWalkers { walkers }))
}
