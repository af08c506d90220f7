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
use crate::guest::live::{self, Feed, LiveMessage, STREAM_MAX, WAIT_HERE_MAX, WAIT_MAX};
use crate::guest::ops;
use crate::guest::problem::Problem;
use crate::guest::waits::{Waiter, wait_for};
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
/// with `Last-Event-ID` misses nothing and hears nothing twice; once the ride is over, and that was told, it is answered
/// 204. Otherwise one answer, which waits where asked to. A walker who leaves the ride is told nothing more.
#[utoipa::path(get, path = "/v1/rides/{id}/live", tag = "tracking", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride"), Reading),
    responses((status = 200, content((LiveMessage = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "An event stream has nothing more to tell: do not connect again"), Problems))]
pub async fn get(
    Auth(caller): Auth,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(reading): Query<Reading>,
) -> Result<Response, Problem> {
    let ride = ops::ride(&caller, &id)?;
    let over = live::is_over(ride.state);
    let watch = Watch { caller, ride, waiter: Waiter::of(&headers)? };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/event-stream") {
        return local(watch.answer(reading)).await;
    }
    let last = headers.get("last-event-id").map(|value| value.to_str().ok().and_then(live::event_id));
    let last = match last {
        Some(None) => {
            return Err(
                Problem::new("malformed", "must be the id of an event of this stream").at("Last-Event-ID")
            );
        }
        Some(Some((_, true))) if over => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Some(Some((cursor, _))) => Some(cursor),
        None => None,
    };
    let mut response = watch.events(last.or(reading.since).unwrap_or(0))?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Somebody who watches a ride.
struct Watch {
    caller: Caller,
    ride: Ride,
    waiter: Waiter,
}

impl Watch {
    /// A stream of events from a cursor on; where the node waits, what of it there is by now.
    fn events(self, cursor: u64) -> Result<Response, Problem> {
        let Self { caller, ride, waiter } = self;
        let (id, viewer) = (ride.id.clone(), caller.account_id.clone());
        let (mut feed, begin) = match waiter {
            Waiter::Here => {
                let feed = Feed::new(caller, ride, cursor, WAIT_HERE_MAX);
                return Ok(EventStream(feed).into_response());
            }
            Waiter::Node => (Feed::new(caller, ride, cursor, Duration::ZERO), live::RETRY),
            Waiter::NodeAgain(known) => (Feed::from(caller, ride, known), ""),
        };
        let (events, known, more) = feed.events()?;
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
        let mut response = (kind, format!("{begin}{events}")).into_response();
        if let Some(known) = known {
            let (name, value) = wait_for(&id, STREAM_MAX, &known, &viewer, more);
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }

    /// One message, which waits for something new where asked to.
    async fn answer(self, reading: Reading) -> Result<Response, Problem> {
        let (wait, cursor) = (reading.wait()?, reading.since.unwrap_or(0));
        let Self { caller, ride, waiter } = self;
        let (id, viewer) = (ride.id.clone(), caller.account_id.clone());
        let mut feed = match &waiter {
            Waiter::Here => Feed::new(caller, ride, cursor, wait.min(WAIT_HERE_MAX)),
            Waiter::Node => Feed::new(caller, ride, cursor, Duration::ZERO),
            Waiter::NodeAgain(known) => Feed::from(caller, ride, known.clone()),
        };
        let look = feed.look()?;
        let known = look.message.known();
        let waits = match &waiter {
            Waiter::NodeAgain(_) => !look.news,
            // Whoever names a cursor knows a state as well: the one they name, or how it is now.
            Waiter::Here | Waiter::Node => {
                reading.since.is_some()
                    && reading.state.is_none_or(|state| state == known.state)
                    && look.message.cursor == cursor
                    && !look.last
            }
        };
        if !waits || wait.is_zero() {
            return Ok(Json(look.message).into_response());
        }
        if matches!(waiter, Waiter::Here) {
            let news = if feed.pause().await { feed.next().await? } else { None };
            return Ok(Json(news.unwrap_or(look).message).into_response());
        }
        let mut response = Json(look.message).into_response();
        let (name, value) = wait_for(&id, wait, &known, &viewer, false);
        response.headers_mut().insert(name, value);
        Ok(response)
    }
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
