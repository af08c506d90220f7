//! `/v1/rides/{id}/live` without a socket: a stream of events, or an answer that waits for news.

use std::time::Duration;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Json, Problems};
use crate::guest::api::{SocketKind, TicketBody};
use crate::guest::bindings::petwalker::identity::accounts::{self, Caller, Ticket};
use crate::guest::bindings::petwalker::matching::rides::Ride;
use crate::guest::extract::{self, Auth, Call, Query};
use crate::guest::live::{Feed, LiveMessage, WAIT_MAX};
use crate::guest::ops;
use crate::guest::problem::Problem;
use crate::guest::{EventStream, local};

/// From where to read, and how long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The `cursor` of what was read last; left out for the beginning.
    since: Option<u64>,
    /// How long to wait for something new, such as `25s`, which is the most; left out for not at all.
    wait: Option<String>,
    /// The `state` that was told last: a change of it between two questions is news, too. Left out, only what changes
    /// while this answer waits is.
    state: Option<String>,
}

impl Reading {
    fn wait(&self) -> Result<Duration, Problem> {
        let Some(wait) = &self.wait else { return Ok(Duration::ZERO) };
        let seconds = wait.strip_suffix('s').unwrap_or(wait).parse().ok().map(Duration::from_secs);
        seconds
            .filter(|wait| *wait <= WAIT_MAX)
            .ok_or_else(|| Problem::new("invalid", "must be 0s to 25s").at("wait"))
    }
}

/// What is new of a walk. With `Accept: text/event-stream`, events whose ids are cursors: a client that connects again
/// with `Last-Event-ID` misses nothing and hears nothing twice. Otherwise one answer, which waits where asked to. A walker
/// who leaves the ride is told nothing more.
#[utoipa::path(get, path = "/v1/rides/{id}/live", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), Reading),
    responses((status = 200, content((LiveMessage = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn get(
    Auth(caller): Auth,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(reading): Query<Reading>,
) -> Result<Response, Problem> {
    let ride = ops::ride(&caller, &id)?;
    let wait = reading.wait()?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let last = last.map(str::parse).transpose().map_err(|_| {
            Problem::new("malformed", "must be the id of an event of this stream").at("Last-Event-ID")
        })?;
        let feed = Feed::new(caller, ride, last.or(reading.since).unwrap_or(0), WAIT_MAX);
        let mut response = EventStream(feed).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(response);
    }
    local(answer(caller, ride, reading, wait)).await
}

async fn answer(caller: Caller, ride: Ride, reading: Reading, wait: Duration) -> Result<Response, Problem> {
    let cursor = reading.since.unwrap_or(0);
    let mut feed = Feed::new(caller, ride, cursor, wait);
    let now = feed.look()?;
    // Whoever names a cursor knows a state as well: the one they name, or how it is now.
    let told = serde_json::to_value(now.message.state).unwrap_or_default();
    let known = reading.state.is_none_or(|state| told == state.as_str());
    let waits = reading.since.is_some() && known && now.message.cursor == cursor && !now.last;
    let news = if waits && feed.pause().await { feed.next().await? } else { None };
    Ok(Json(news.unwrap_or(now).message).into_response())
}

/// A ticket for one socket of a browser, which cannot send the access token with its handshake: append `?ticket=` and its
/// value to the socket's path. Every call gives a ticket of its own, whatever its `Idempotency-Key`.
#[utoipa::path(post, path = "/v1/rides/{id}/tickets", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), request_body = TicketBody,
    responses((status = 201, body = Ticket), Problems))]
pub async fn ticket(
    Path(id): Path<String>,
    headers: HeaderMap,
    call: Call<TicketBody>,
) -> Result<Response, Problem> {
    ops::ride(&call.context.caller, &id)?;
    let end = match call.body.socket {
        SocketKind::Track => "track",
        SocketKind::Live => "live",
    };
    let token = extract::bearer(&headers).unwrap_or_default();
    let ticket = accounts::issue_ticket(token, &format!("/v1/rides/{id}/{end}"))?;
    Ok((StatusCode::CREATED, Json(ticket)).into_response())
}
