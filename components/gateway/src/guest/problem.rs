//! Errors as problem+json (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Money;
use super::bindings::petwalker::media::photos;
use super::bindings::petwalker::{
    advice::health, billing::invoices, identity::accounts, insights::figures, marketplace::shop,
    matching::rides, notifications::inbox, pricing::quotes, tracking::routes,
};
use crate::domain::{MESSAGE_CHARS_MAX, bounded};

/// Most characters of a field's name in a problem: names may come from the client.
const FIELD_CHARS_MAX: usize = 100;

/// Why a request was refused. Nothing was changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A page about this kind of problem.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind, for a person.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind, for a program; stable.
    pub code: String,
    /// What exactly is wrong.
    pub detail: String,
    /// The input at fault, as a dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the cart costs now, where its price has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The region that answers instead, for the node.
    #[serde(skip)]
    #[schema(ignore)]
    pub region: Option<String>,
    /// After how many seconds to try again, for the header `Retry-After`.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after_s: Option<u32>,
}

/// The status of a code, and its title.
fn kind(code: &str) -> (StatusCode, &'static str) {
    match code {
        "malformed" => (StatusCode::BAD_REQUEST, "The request cannot be read"),
        "unauthenticated" => (StatusCode::UNAUTHORIZED, "An access token is needed"),
        "bad-credentials" => (StatusCode::UNAUTHORIZED, "Wrong e-mail address or password"),
        "bad-token" => (StatusCode::UNAUTHORIZED, "The token is not accepted"),
        "token-reused" => (StatusCode::UNAUTHORIZED, "The refresh token was used before"),
        "not-fresh" => (StatusCode::UNAUTHORIZED, "The request was not made just now"),
        "forbidden" => (StatusCode::FORBIDDEN, "Not allowed"),
        "not-approved" => (StatusCode::FORBIDDEN, "An operator has to approve the account first"),
        "wrong-pin" => (StatusCode::FORBIDDEN, "Wrong PIN"),
        "not-found" => (StatusCode::NOT_FOUND, "Not found"),
        "method-not-allowed" => (StatusCode::METHOD_NOT_ALLOWED, "The path has no such method"),
        "illegal-transition" => (StatusCode::CONFLICT, "The ride does not allow it now"),
        "not-at-pickup" => (StatusCode::CONFLICT, "Nothing shows that the walker is at the pickup"),
        "pin-locked" => (StatusCode::CONFLICT, "The PIN is locked"),
        "no-capacity" => (StatusCode::CONFLICT, "Too many pets at one time"),
        "pet-busy" => (StatusCode::CONFLICT, "The pet is on another ride at that time"),
        "too-many-rides" => (StatusCode::CONFLICT, "Too many rides are open"),
        "already-taken" => (StatusCode::CONFLICT, "Another walker was first"),
        "quote-used" => (StatusCode::CONFLICT, "The quote was used"),
        "email-taken" => (StatusCode::CONFLICT, "The e-mail address is taken"),
        "not-active" => (StatusCode::CONFLICT, "The ride takes no points now"),
        "payment-due" => (StatusCode::CONFLICT, "A payment was declined and is due"),
        "payment-declined" => (StatusCode::CONFLICT, "The payment was declined"),
        "price-changed" => (StatusCode::CONFLICT, "The price has changed"),
        "limit-reached" => (StatusCode::CONFLICT, "There are as many as there may be"),
        "out-of-stock" => (StatusCode::CONFLICT, "Out of stock"),
        "offer-expired" => (StatusCode::GONE, "The offer has ended"),
        "quote-expired" => (StatusCode::GONE, "The quote has ended"),
        "gone" => (StatusCode::GONE, "Its time is over"),
        "stale-version" => (StatusCode::PRECONDITION_FAILED, "It changed since it was read"),
        "misdirected" => (StatusCode::MISDIRECTED_REQUEST, "Another region answers for it"),
        "body-too-large" => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        "unsupported-media-type" => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body's type is not taken"),
        "too-many-requests" => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        "too-many-attempts" => (StatusCode::TOO_MANY_REQUESTS, "Too many attempts"),
        "quota-reached" => (StatusCode::TOO_MANY_REQUESTS, "As many as there may be on one day"),
        "invalid" => (StatusCode::UNPROCESSABLE_ENTITY, "An input is out of its range"),
        "key-reused" => (StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key was used for something else"),
        "no-region" => (StatusCode::UNPROCESSABLE_ENTITY, "No region covers this place"),
        "no-tariff" => (StatusCode::UNPROCESSABLE_ENTITY, "No tariff covers this place"),
        "coupon-refused" => (StatusCode::UNPROCESSABLE_ENTITY, "The coupon cannot be used"),
        "too-much" => (StatusCode::UNPROCESSABLE_ENTITY, "The amount is too large"),
        "unavailable" => (StatusCode::SERVICE_UNAVAILABLE, "Not possible right now"),
        "storage-full" => (StatusCode::SERVICE_UNAVAILABLE, "The disk is nearly full"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

impl Problem {
    /// A problem of that code.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let (status, title) = kind(code);
        Self {
            problem_type: format!("/errors/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            // What a reader of JSON says may repeat what it read.
            detail: bounded(detail.into(), MESSAGE_CHARS_MAX),
            field: None,
            total: None,
            region: None,
            retry_after_s: None,
        }
    }

    /// What was asked for belongs to another region.
    pub fn misdirected(region: &str) -> Self {
        let detail = format!("this belongs to the region '{region}', which is not answered for here");
        Self { region: Some(region.to_owned()), ..Self::new("misdirected", detail) }
    }

    /// The same, with the input at fault.
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(bounded(field.into(), FIELD_CHARS_MAX));
        self
    }

    /// The same, with the input at fault under the name that the client knows it by.
    pub fn renamed(mut self, field: &str) -> Self {
        if self.field.is_some() {
            self.field = Some(field.to_owned());
        }
        self
    }

    /// A body larger than any request needs.
    pub fn body_too_large() -> Self {
        Self::new("body-too-large", "the body is larger than this service takes")
    }

    /// A body that the operation needs and that is not there.
    pub fn body_missing() -> Self {
        Self::new("malformed", "a body is required; send at least {} where every field may be left out")
    }

    fn of_refusal<C: Serialize>(code: &C, message: String, field: Option<String>) -> Self {
        let code =
            serde_json::to_value(code).ok().and_then(|c| c.as_str().map(str::to_owned)).unwrap_or_default();
        // A database's own words may hold values: they are for the log.
        let message = if code == "unavailable" {
            eprintln!("refused as unavailable: {message}");
            "the database cannot be used right now; try again shortly".to_owned()
        } else {
            message
        };
        Self { field, ..Self::new(&code, message) }
    }
}

macro_rules! from_refusals {
    ($($module:ident)*) => {$(
        impl From<$module::Refusal> for Problem {
            fn from(refusal: $module::Refusal) -> Self {
                Self::of_refusal(&refusal.code, refusal.message, refusal.field)
            }
        }
    )*};
}

from_refusals! { rides quotes routes invoices shop photos inbox figures }

impl From<accounts::Refusal> for Problem {
    fn from(refusal: accounts::Refusal) -> Self {
        let retry_after_s = refusal.retry_after_s;
        Self { retry_after_s, ..Self::of_refusal(&refusal.code, refusal.message, refusal.field) }
    }
}

impl From<health::BadInput> for Problem {
    fn from(bad: health::BadInput) -> Self {
        Self::new("invalid", bad.message).at(bad.field)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(region) = self.region.as_ref().and_then(|region| HeaderValue::try_from(region).ok()) {
            headers.insert(super::REGION, region);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            if let Ok(limit) = HeaderValue::try_from(format!("\"account\";r=0;t={seconds}")) {
                headers.insert("ratelimit", limit);
            }
        }
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::TOO_MANY_REQUESTS if self.code == "quota-reached" => {
                // An hour: the day ends within 24 of them.
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3600"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
