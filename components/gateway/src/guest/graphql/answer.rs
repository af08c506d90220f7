//! What a GraphQL answer looks like: every error with a code and a bounded message, and no data where nothing was executed.

use async_graphql::{ErrorExtensionValues, Pos, Response as Execution, ServerError, Value};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::{Code, MESSAGE_CHARS_MAX, Violation, bounded};
use crate::guest::problem::Problem;

/// Most errors of one answer; the first ones are kept.
const ERRORS_MAX: usize = 10;
/// The extension that says after how many seconds to try again.
pub const RETRY_AFTER: &str = "retryAfter";

/// An answer without data: nothing was executed (GraphQL, October 2021, section 7.1).
#[derive(Serialize)]
struct RequestErrors {
    errors: Vec<ServerError>,
}

/// A document that is not executed, as a GraphQL error.
pub fn violation(violation: Violation) -> ServerError {
    let code = match violation.code {
        Code::Malformed => "malformed",
        Code::TooComplex => "too-complex",
    };
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    let place = violation.at.map(Pos::from);
    ServerError { extensions: Some(extensions), ..ServerError::new(violation.message, place) }
}

/// No data at all means that the document never ran: it was not valid, or its variables were not.
pub fn never_ran(response: &Execution) -> bool {
    response.is_err() && response.data == Value::Null && !response.errors.iter().any(|e| !e.path.is_empty())
}

/// The first errors, each with a code and a bounded message. What validation says has no code of its own.
fn tidy(mut errors: Vec<ServerError>) -> Vec<ServerError> {
    errors.truncate(ERRORS_MAX);
    for error in &mut errors {
        error.message = bounded(std::mem::take(&mut error.message), MESSAGE_CHARS_MAX);
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "invalid");
        }
    }
    errors
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|e| Problem::new("internal", e.to_string()))
}

/// Errors as JSON.
pub fn errors(errors: Vec<ServerError>) -> Result<Vec<u8>, Problem> {
    json(&tidy(errors))
}

/// An answer as JSON.
pub fn body(mut response: Execution) -> Result<Vec<u8>, Problem> {
    let nothing = never_ran(&response);
    let errors = tidy(std::mem::take(&mut response.errors));
    if nothing {
        return json(&RequestErrors { errors });
    }
    response.errors = errors;
    json(&response)
}

/// Answers a document that is not executed.
pub fn refused(headers: &HeaderMap, error: ServerError) -> Response {
    respond(headers, Execution::from_errors(vec![error]))
}

/// Answers with what an execution came to.
pub fn respond(headers: &HeaderMap, mut response: Execution) -> Response {
    let status =
        if is_modern(headers) && never_ran(&response) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let retry_after = retry_after(&response);
    let more = std::mem::take(&mut response.http_headers);
    match body(response) {
        Ok(body) => {
            let mut answer = (status, [content_type(headers)], more, body).into_response();
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            answer
        }
        Err(problem) => problem.into_response(),
    }
}

/// Answers with what was worked out before.
pub fn of_body(headers: &HeaderMap, body: Bytes) -> Response {
    ([content_type(headers)], body).into_response()
}

/// After how many seconds to try again, where an error says so: the longest.
fn retry_after(response: &Execution) -> Option<u64> {
    let waits =
        response.errors.iter().filter_map(|error| match error.extensions.as_ref()?.get(RETRY_AFTER)? {
            Value::Number(seconds) => seconds.as_u64(),
            _ => None,
        });
    waits.max()
}

fn content_type(headers: &HeaderMap) -> (header::HeaderName, HeaderValue) {
    let kind = if is_modern(headers) {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    (header::CONTENT_TYPE, HeaderValue::from_static(kind))
}

/// Whether the client knows the media type of the GraphQL-over-HTTP draft.
fn is_modern(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("application/graphql-response+json"))
    })
}
