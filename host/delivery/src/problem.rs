//! Errors of the host itself as problem+json (RFC 9457).

use edge_runtime::{Body, CallError, full_body};
use http::{Response, StatusCode, header};

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_S: &str = "1";

/// Marks an answer as the node's own, among an answer's extensions.
#[derive(Clone, Copy)]
pub(crate) struct OfNode;

pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    let body = serde_json::json!({
        "type": format!("/errors/{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = Response::new(full_body(body.to_string()));
    *response.status_mut() = status;
    response.extensions_mut().insert(OfNode);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER_S));
    }
    response
}

/// What a client is told whose request took too long, its body included.
#[must_use]
pub fn timed_out() -> Response<Body> {
    problem(StatusCode::GATEWAY_TIMEOUT, "timed-out", "the request took longer than the node allows")
}

/// What a client is told when a component gave no answer. Inner workings stay in the log.
pub(crate) fn of_call(error: &CallError) -> Response<Body> {
    match error {
        CallError::NoRoute(_) => problem(StatusCode::NOT_FOUND, "no-route", "nothing answers at this path"),
        CallError::Full(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "the node is busy; try again shortly")
        }
        CallError::TimedOut(_) => timed_out(),
        CallError::Failed { .. } => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "component-failed",
            "the component failed; it was restarted",
        ),
    }
}
