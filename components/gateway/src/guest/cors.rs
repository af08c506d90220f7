//! Cross-origin requests (the Fetch standard's CORS protocol).
//!
//! Browsers of any origin may call: what counts is the token, and no cookie is ever looked at.

use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// What a page may read of an answer beside its body; some of it the node adds.
const EXPOSED: &str = "etag, petwalker-durability, petwalker-region, petwalker-seen, ratelimit, ratelimit-policy, \
                       retry-after, x-request-id";

/// The answer to a browser that asks before it sends; none where the request is no such question.
pub(super) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, if-match, idempotency-key, last-event-id, petwalker-region, petwalker-seen",
        ),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
        (VARY, "origin, access-control-request-method, access-control-request-headers"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// Lets a browser's page read the answer.
pub(super) fn allow(request_is_cross_origin: bool, response: &mut Response) {
    let headers = response.headers_mut();
    // What is kept for one must not be given to the other.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if request_is_cross_origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// Whether the request says that it comes from a page.
pub(super) fn is_cross_origin(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
}
