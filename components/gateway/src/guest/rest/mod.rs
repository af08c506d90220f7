//! REST under `/v1`: one function an operation, each with its OpenAPI description.

pub mod accounts;
pub mod insights;
pub mod invoices;
pub mod live;
pub mod marks;
pub mod notifications;
pub mod pets;
pub mod quotes;
pub mod rides;
pub mod shop;
pub mod tracks;
pub mod walkers;

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as OpenApiResponse, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::problem::Problem;

/// 200 with a JSON body.
pub struct Json<T>(pub T);

/// 201 with a JSON body.
pub struct Created<T>(pub T);

/// 204.
pub struct NoContent;

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (status, kind, body).into_response()
        }
        Err(error) => Problem::new("internal", error.to_string()).into_response(),
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        json(StatusCode::CREATED, &self.0)
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// What every operation may answer besides its success.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<OpenApiResponse>> {
        let problem =
            ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
        let response = ResponseBuilder::new()
            .description("Refused: the problem's code says why")
            .content("application/problem+json", problem)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Where the page begins: `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many, 1 to 100.
    #[serde(default = "default_limit")]
    pub limit: u32,
}

const fn default_limit() -> u32 {
    20
}

/// A greeting.
#[derive(Serialize, ToSchema)]
pub struct Hello {
    /// Always the same.
    pub hello: &'static str,
}

/// Says hello: the cheapest request there is, for probes and measurements.
#[utoipa::path(get, path = "/v1/hello", tag = "service", responses((status = 200, body = Hello)))]
pub async fn hello() -> Json<Hello> {
    Json(Hello { hello: "petwalker" })
}
