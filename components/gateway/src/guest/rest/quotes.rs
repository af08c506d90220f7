//! `/v1/quotes`.

use axum::extract::Path;

use super::{Created, Json, Problems};
use crate::guest::api::QuoteBody;
use crate::guest::bindings::petwalker::pricing::quotes::Quote;
use crate::guest::extract::{Auth, Call};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Prices a walk: a promise with its breakdown that holds for ten minutes.
#[utoipa::path(post, path = "/v1/quotes", tag = "rides", security(("bearer" = [])), request_body = QuoteBody,
    responses((status = 201, body = Quote), Problems))]
pub async fn create(call: Call<QuoteBody>) -> Result<Created<Quote>, Problem> {
    local(ops::quotes::create(call.context, call.body)).await.map(Created)
}

/// A quote of the caller's.
#[utoipa::path(get, path = "/v1/quotes/{id}", tag = "rides", security(("bearer" = [])),
    params(("id" = String, Path, description = "The quote")), responses((status = 200, body = Quote), Problems))]
pub async fn get(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Quote>, Problem> {
    ops::quotes::get(&caller, &id).map(Json)
}
