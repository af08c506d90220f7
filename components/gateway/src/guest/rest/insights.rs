//! Figures of the service, for operators.

use serde::Deserialize;
use utoipa::IntoParams;

use super::{Json, Problems};
use crate::guest::api::Days;
use crate::guest::extract::{Auth, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Which days.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first day, in UTC: `YYYY-MM-DD`.
    since: String,
    /// The last day; at most 365 after the first.
    until: String,
    /// One region only.
    region: Option<String>,
}

/// What happened in each region on each day. Operators only.
#[utoipa::path(get, path = "/v1/insights/days", tag = "insights", security(("bearer" = [])), params(Span),
    responses((status = 200, body = Days), Problems))]
pub async fn days(Auth(caller): Auth, Query(span): Query<Span>) -> Result<Json<Days>, Problem> {
    local(ops::insights::days(caller, span.since, span.until, span.region))
        .await
        .map(|days| Json(Days { days }))
}
