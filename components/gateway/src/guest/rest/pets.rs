//! `/v1/pets`.

use axum::extract::Path;

use super::{Created, Json, Problems};
use crate::guest::api::{AdviceBody, AdviceList, Pets};
use crate::guest::bindings::petwalker::identity::profiles::{Pet, PetDetails};
use crate::guest::extract::{Auth, Call};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Adds a pet of the calling tutor.
#[utoipa::path(post, path = "/v1/pets", tag = "pets", security(("bearer" = [])), request_body = PetDetails,
    responses((status = 201, body = Pet), Problems))]
pub async fn add(call: Call<PetDetails>) -> Result<Created<Pet>, Problem> {
    local(ops::profiles::add_pet(call.context, call.body)).await.map(Created)
}

/// The caller's pets.
#[utoipa::path(get, path = "/v1/pets", tag = "pets", security(("bearer" = [])),
    responses((status = 200, body = Pets), Problems))]
pub async fn list(Auth(caller): Auth) -> Result<Json<Pets>, Problem> {
    local(ops::profiles::list_pets(caller)).await.map(|pets| Json(Pets { pets }))
}

/// Advice for a pet from its profile, its walks and the weather, with the reasons.
#[utoipa::path(post, path = "/v1/pets/{id}/advice", tag = "pets", security(("bearer" = [])),
    params(("id" = String, Path, description = "The pet")), request_body = AdviceBody,
    responses((status = 200, body = AdviceList), Problems))]
pub async fn advice(Path(id): Path<String>, call: Call<AdviceBody>) -> Result<Json<AdviceList>, Problem> {
    local(ops::advice::advise(call.context.caller, id, call.body))
        .await
        .map(|advice| Json(AdviceList { advice }))
}
