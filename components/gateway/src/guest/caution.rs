//! Headers that keep answers where they belong.

use axum::response::Response;
use http::header::{AUTHORIZATION, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request};

/// Whether the answer may hold what is the caller's alone: it is to a caller with a token, or to a command, of which some
/// answer with tokens.
pub(super) fn is_private<B>(request: &Request<B>) -> bool {
    !request.method().is_safe() || request.headers().contains_key(AUTHORIZATION)
}

/// Has nobody store a private answer that does not say otherwise itself, and no browser guess at the type of any.
pub(super) fn guard(private: bool, response: &mut Response) {
    let headers = response.headers_mut();
    if private && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
