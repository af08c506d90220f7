//! The OpenAPI description, generated from the operations themselves.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::rest;

/// The API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "PetWalker",
        version = "1",
        description = "Pet walks on demand. Unsafe calls take an Idempotency-Key: for 48 hours the same key with the \
                       same body is answered the same and does nothing more; with another body it is refused. \
                       Passwords, PINs and tokens are not compared."
    ),
    modifiers(&Bearer),
    components(schemas(Problem)),
    paths(
        rest::hello,
        rest::accounts::sign_up,
        rest::accounts::approve,
        rest::accounts::withdraw_approval,
        rest::accounts::awaiting_approval,
        rest::accounts::log_in,
        rest::accounts::refresh,
        rest::accounts::log_out,
        rest::accounts::change_password,
        rest::accounts::end_sessions,
        rest::accounts::me,
        rest::accounts::erase,
        rest::accounts::jwks,
        rest::pets::add,
        rest::pets::list,
        rest::pets::advice,
        rest::walkers::put,
        rest::walkers::get,
        rest::walkers::appear,
        rest::walkers::leave,
        rest::walkers::offers,
        rest::walkers::nearest,
        rest::quotes::create,
        rest::quotes::get,
        rest::rides::request,
        rest::rides::list,
        rest::rides::get,
        rest::rides::accept,
        rest::rides::decline,
        rest::rides::arrive,
        rest::rides::pause,
        rest::rides::resume,
        rest::rides::cancel,
        rest::rides::no_show,
        rest::rides::renew_pin,
        rest::rides::start,
        rest::rides::complete,
        rest::rides::interrupt,
        rest::rides::rate,
        rest::live::get,
        rest::live::ticket,
        rest::tracks::append,
        rest::marks::put,
        rest::marks::remove,
        rest::marks::list,
        rest::marks::put_photo,
        rest::marks::photo,
        rest::tracks::approach,
        rest::tracks::set_fences,
        rest::tracks::fences,
        rest::tracks::summary,
        rest::tracks::geojson,
        rest::tracks::gpx,
        rest::tracks::polylines,
        rest::tracks::erase,
        rest::invoices::get,
        rest::invoices::tip,
        rest::invoices::refund,
        rest::invoices::set_payment_method,
        rest::invoices::balances,
        rest::invoices::check,
        rest::notifications::list,
        rest::notifications::mark_read,
        rest::insights::days,
        rest::shop::browse,
        rest::shop::put_product,
        rest::shop::get_cart,
        rest::shop::put_cart,
        rest::shop::checkout,
        rest::shop::get_order,
        rest::shop::confirm,
    )
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        if let Some(components) = api.components.as_mut() {
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        }
    }
}

/// `/openapi.json`. Generated once an instance.
pub async fn json() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| Api::openapi().to_pretty_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
