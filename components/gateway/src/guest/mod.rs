//! The component: one HTTP service over the domains.

mod api;
mod bindings;
mod events;
mod extract;
mod graphql;
mod openapi;
mod ops;
mod problem;
mod rest;
mod router;

use http_body_util::{BodyExt as _, Full, Limited};
use send_wrapper::SendWrapper;
use spin_sdk::http::Request;
use spin_sdk::http_service;

use self::problem::Problem;

/// Bytes of a request's body, whatever the node allows.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Lets a future that talks to another component cross an axum handler. A component has one thread, so nothing is ever
/// polled elsewhere; the wrapper checks it.
fn local<F>(future: F) -> SendWrapper<F> {
    SendWrapper::new(future)
}

#[http_service]
async fn handle(request: Request) -> http::Response<Full<bytes::Bytes>> {
    let (parts, body) = request.into_parts();
    let response = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => router::answer(http::Request::from_parts(parts, collected.to_bytes())).await,
        Err(_) => axum::response::IntoResponse::into_response(Problem::body_too_large()),
    };
    let (parts, body) = response.into_parts();
    // Every body is in memory already: collecting takes no time and cannot fail.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    http::Response::from_parts(parts, Full::new(bytes))
}
