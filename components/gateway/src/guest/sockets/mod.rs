//! What the node asks on behalf of its sockets: who may open one, what to do with their frames, and what is new of a ride.
//!
//! Sockets are the node's; what they mean is decided here. A frame is a MessagePack map with named fields, whichever format
//! the client speaks: the node translates. `docs/live-protocol.md` has the whole of it.

mod frames;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub use self::frames::take;
use super::api::{Instant, Stored};
use super::bindings::petwalker::identity::accounts::{self, Caller};
use super::bindings::petwalker::tracking::routes;
use super::live;
use super::ops::{self, Outcome};
use super::problem::Problem;
use super::replicas::Replicas;
use super::{ACCOUNT, digest, extract, graphql, internal};

/// A client that wants a socket.
#[derive(Deserialize)]
struct Opening {
    path: String,
    query: Option<String>,
    authorization: Option<String>,
}

impl Opening {
    /// A parameter of the query that needs no decoding.
    fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// What a socket is opened with.
#[derive(Serialize)]
struct Opened {
    /// What it is about: frames are stored under it, and news are told by it.
    key: String,
    /// Handed back with every frame.
    context: ByteBuf,
    /// When the right to it ends, UTC milliseconds.
    until_ms: i64,
    /// From where news are told.
    cursor: u64,
    /// The first message to the client.
    greeting: ByteBuf,
}

/// An operation of a socket, or its next step.
#[derive(Deserialize)]
struct Operation {
    /// Who asks: the context that the socket was opened with.
    context: ByteBuf,
    /// The operation as the client sent it, JSON.
    request: ByteBuf,
    /// Up to where earlier steps told; none for the first.
    cursor: Option<u64>,
}

/// What a step came to.
#[derive(Serialize)]
struct Stepped {
    /// For the client, JSON: a result, or the errors of what was refused.
    payload: ByteBuf,
    refused: bool,
    /// What to wait for before the next step; none where there is none.
    key: Option<String>,
    cursor: u64,
}

/// What is new of a key since a cursor.
#[derive(Serialize)]
struct News {
    from: u64,
    to: u64,
    body: ByteBuf,
    /// Whether it tells more than the points between the cursors.
    whole: bool,
    /// Whether nothing will ever be new again.
    over: bool,
    /// Of what depends who may be told: the ride's walker. Where it is another than before, the node asks again for each
    /// watcher.
    audience: String,
}

#[derive(Deserialize)]
struct Reading {
    key: String,
    cursor: u64,
    /// Who is to be told: the context that the socket was opened with; none for what the node hands on to those it has asked
    /// for.
    context: Option<ByteBuf>,
}

/// Answers a frame that was taken.
#[derive(Serialize)]
struct StoredMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    #[serde(flatten)]
    stored: &'a Stored,
}

fn pack(message: &impl Serialize) -> Outcome<ByteBuf> {
    rmp_serde::to_vec_named(message).map(ByteBuf::from).map_err(|e| Problem::new("internal", e.to_string()))
}

fn unpack<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Outcome<T> {
    rmp_serde::from_slice(body).map_err(|e| Problem::new("malformed", e.to_string()))
}

fn answer(message: &impl Serialize) -> Outcome<Response> {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/msgpack"));
    Ok(([kind], pack(message)?.into_vec()).into_response())
}

fn stored(id: u64, stored: &Stored) -> Outcome<ByteBuf> {
    pack(&StoredMessage { kind: "stored", id, stored })
}

/// Decides who may open a socket.
pub async fn open(headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    internal::only_the_node(headers).await?;
    let opening: Opening = unpack(body)?;
    let (caller, until) = holder(&opening).await?;
    if opening.path == "/graphql" {
        // Each operation is asked about by itself, for this caller.
        let context = pack(&caller)?;
        let (key, greeting) = (String::new(), ByteBuf::new());
        return answer_for(&caller, &Opened { key, context, until_ms: until.epoch_ms, cursor: 0, greeting })
            .await;
    }
    let path = opening.path.strip_prefix("/v1/rides/").and_then(|rest| rest.split_once('/'));
    let opened = match path {
        Some((ride, "track")) => open_track(&caller, ride, until.epoch_ms, Replicas::of(headers))?,
        Some((ride, "live")) => open_live(&caller, ride, opening.parameter("since"), until.epoch_ms)?,
        _ => return Err(Problem::new("not-found", "no socket is opened at this path")),
    };
    answer_for(&caller, &opened).await
}

/// The answer, with what stands for the account that it is for.
async fn answer_for(caller: &Caller, opened: &Opened) -> Outcome<Response> {
    let mut response = answer(opened)?;
    response.headers_mut().insert(ACCOUNT, digest::opaque(caller).await?);
    Ok(response)
}

/// Who wants the socket, by the token in its header or the ticket in its query; and until when that holds.
async fn holder(opening: &Opening) -> Outcome<(Caller, Instant)> {
    if let Some(ticket) = opening.parameter("ticket") {
        let holder = accounts::redeem_ticket(ticket, &opening.path)?;
        return Ok((holder.caller, holder.access_ends_at));
    }
    let mut headers = HeaderMap::new();
    if let Some(value) = opening.authorization.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let caller = extract::authenticate_now(&headers).await?;
    let until = accounts::access_ends_at(extract::bearer(&headers).unwrap_or_default())?;
    Ok((caller, until))
}

/// A walker sends the points of a walk.
fn open_track(caller: &Caller, id: &str, until_ms: i64, replicas: Replicas) -> Outcome<Opened> {
    let ride = ops::ride(caller, id)?;
    if ride.walker_id.as_ref() != Some(&caller.account_id) {
        return Err(Problem::new("forbidden", "only the ride's walker sends points"));
    }
    if live::is_over(ride.state) {
        return Err(Problem::new("not-active", "the ride is over"));
    }
    let progress = routes::progress_of(id, false)?;
    Ok(Opened {
        key: id.to_owned(),
        context: ByteBuf::from(caller.account_id.as_bytes()),
        until_ms,
        cursor: progress.cursor.into(),
        greeting: stored(0, &Stored::so_far(&progress, replicas.seq_of(id, &progress)?))?,
    })
}

/// Tutor, walker or operator watches a walk, from now on or from a cursor that was told before.
fn open_live(caller: &Caller, id: &str, since: Option<&str>, until_ms: i64) -> Outcome<Opened> {
    let ride = ops::ride(caller, id)?;
    let since: Option<u64> = since
        .map(str::parse)
        .transpose()
        .map_err(|_| Problem::new("invalid", "must be a cursor that was told before").at("since"))?;
    let mut greeting = live::now(id, ride.state)?;
    // News are read for everybody alike: what is not for the walker any more is not read at all.
    let everything = live::home(caller, &ride).is_none() || !live::is_over(ride.state);
    if let Some(since) = since.filter(|since| everything && *since < greeting.cursor) {
        greeting.cursor = since;
    }
    let (context, cursor) = (pack(caller)?, greeting.cursor);
    Ok(Opened { key: id.to_owned(), context, until_ms, cursor, greeting: pack(&greeting)? })
}

/// What is new of a ride since a cursor; refused where it is for somebody who may not see the ride any more.
pub async fn read(headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    internal::only_the_node(headers).await?;
    let reading: Reading = unpack(body)?;
    let (message, walker) = match &reading.context {
        Some(context) => live::since_for(&unpack::<Caller>(context)?, &reading.key, reading.cursor)?,
        None => live::since(&reading.key, reading.cursor, None)?,
    };
    let (to, over) = (message.cursor, message.over(reading.cursor));
    let audience = walker.unwrap_or_default();
    answer(&News { from: reading.cursor, to, body: pack(&message)?, whole: true, over, audience })
}

/// Executes an operation of a socket, or its next step.
pub async fn step(headers: &HeaderMap, body: &Bytes) -> Outcome<Response> {
    internal::only_the_node(headers).await?;
    let operation: Operation = unpack(body)?;
    let caller: Caller = unpack(&operation.context)?;
    let stepped = match graphql::step(caller, &operation.request, operation.cursor).await {
        Ok(stepped) => {
            let cursor = stepped.reached.as_ref().map_or(0, |reached| reached.cursor);
            let key = stepped.reached.map(|reached| reached.key);
            Stepped { payload: stepped.payload.into(), refused: stepped.refused, key, cursor }
        }
        Err(problem) => {
            let error = graphql::refused(problem).into_server_error(async_graphql::Pos::default());
            let payload =
                serde_json::to_vec(&[error]).map_err(|e| Problem::new("internal", e.to_string()))?;
            Stepped { payload: payload.into(), refused: true, key: None, cursor: 0 }
        }
    };
    answer(&stepped)
}
