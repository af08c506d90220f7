//! GraphQL over HTTP: the same operations as REST. Subscriptions come by the node's sockets.
//!
//! Follows the GraphQL-over-HTTP draft: POST with a JSON body, GET for queries only, and the status codes that go with
//! `application/graphql-response+json` where a client accepts it. Every document is measured before it is parsed and weighed
//! before it is validated ([`crate::domain`]), whichever way it comes.

mod answer;
mod introspection;
mod mutation;
mod query;
mod subscription;

use std::sync::{Arc, OnceLock};

use async_graphql::futures_util::StreamExt as _;
use async_graphql::parser::types::{OperationType, Selection};
use async_graphql::{Name, PathSegment, Request, Schema, SelectionField, ServerError, Value};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, header};
use serde::Deserialize;

use self::mutation::Mutation;
use self::query::Query;
pub use self::subscription::Reached;
use self::subscription::{Step, Subscriptions};
use super::bindings::petwalker::identity::accounts::{Caller, Command};
use super::extract::{self, Context};
use super::problem::Problem;
use super::replicas::{ELSEWHERE, Replicas};
use super::{READ, digest, local};
use crate::domain::document::{BUDGET, admit};
use crate::domain::weight::Kinds;

/// The header by which the node says that there is little room on its disk: a document that stores is refused then.
const STORE_NOTHING: &str = "edge-store-nothing";

type PetWalkerSchema = Schema<Query, Mutation, Subscriptions>;

fn schema() -> &'static PetWalkerSchema {
    static SCHEMA: OnceLock<PetWalkerSchema> = OnceLock::new();
    // The library's own limits are asked while it walks fragments as often as they are spread: too late.
    SCHEMA.get_or_init(|| Schema::build(Query, Mutation, Subscriptions).finish())
}

/// Admits the document of a request, which is then parsed.
fn admitted(request: &mut Request) -> Result<Kinds, ServerError> {
    let admitted = admit(&request.query).map_err(answer::violation)?;
    request.set_parsed_query(admitted.document);
    Ok(admitted.kinds)
}

/// `/graphql/schema`: the schema as text. Written once an instance.
pub async fn schema_text() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (kind, TEXT.get_or_init(|| schema().sdl()).as_str()).into_response()
}

/// Who calls, where somebody does, and how the request's commands are named.
pub struct Asker {
    caller: Result<Caller, Problem>,
    token: String,
    /// The client's name for the request; its commands' names begin with it.
    key: Option<String>,
}

impl Asker {
    /// The caller, or that there is none.
    fn caller(&self) -> Result<Caller, Problem> {
        self.caller.clone()
    }

    /// The caller's access token.
    fn token(&self) -> Result<&str, Problem> {
        self.caller.as_ref().map(|_| self.token.as_str()).map_err(Clone::clone)
    }

    /// The name of the command that a field is: a document may hold several, each under its own response key.
    fn name(&self, field: &SelectionField<'_>) -> Option<String> {
        let response_key = field.alias().unwrap_or(field.name());
        self.key.as_ref().map(|key| format!("{key}:{response_key}"))
    }

    /// The command that a field is, of somebody who has no account yet.
    async fn open_command(&self, field: SelectionField<'_>) -> Result<Command, Problem> {
        let Some(id) = self.name(&field) else { return Ok(extract::unnamed()) };
        let input = arguments(&field)?;
        Ok(Command { id, fingerprint: digest::of_anybody(&[FIELD, field.name()], &input).await? })
    }

    fn context(&self, field: &SelectionField<'_>, expected_version: Option<u32>) -> Result<Context, Problem> {
        let caller = self.caller()?;
        let command = match self.name(field) {
            None => extract::unnamed(),
            Some(id) => {
                let input = arguments(field)?;
                Command { id, fingerprint: digest::of_caller(&caller, &[FIELD, field.name()], &input)? }
            }
        };
        Ok(Context { caller, command, expected_version })
    }
}

/// What stands for the method where a command comes by GraphQL.
const FIELD: &str = "graphql";

/// What a field was given, variables put in.
fn arguments(field: &SelectionField<'_>) -> Result<serde_json::Value, Problem> {
    let malformed = |e: &dyn std::fmt::Display| Problem::new("malformed", e.to_string());
    let given = field.arguments().map_err(|e| malformed(&e.message))?;
    let mut fields = serde_json::Map::new();
    for (name, value) in given {
        fields.insert(name.to_string(), value.into_json().map_err(|e| malformed(&e))?);
    }
    Ok(fields.into())
}

/// A problem as a GraphQL error with its code.
pub fn refused(problem: Problem) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    async_graphql::Error::new(problem.detail).extend_with(|_, extensions| {
        extensions.set("code", problem.code);
        if let Some(field) = problem.field {
            extensions.set("field", field);
        }
        if let Some(total) = problem.total {
            let total =
                [(Name::new("minor"), total.minor.into()), (Name::new("currency"), total.currency.into())];
            extensions.set("total", Value::Object(total.into_iter().collect()));
        }
        if let Some(region) = problem.region {
            extensions.set("region", region);
        }
        if let Some(seconds) = problem.retry_after_s {
            extensions.set(answer::RETRY_AFTER, seconds);
        }
    })
}

/// A query in a GET request's query string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetRequest {
    query: String,
    operation_name: Option<String>,
    variables: Option<String>,
}

/// Commands of which the region's events tell. A document with any other is worth no more than the disk that it is kept on.
const IN_EVENTS: [&str; 19] = [
    "createQuote",
    "requestRide",
    "acceptRide",
    "declineRide",
    "arrive",
    "startRide",
    "renewPin",
    "pauseRide",
    "resumeRide",
    "completeRide",
    "interruptRide",
    "cancelRide",
    "reportNoShow",
    "appendPoints",
    "reportApproach",
    "putMark",
    "removeMark",
    "setFences",
    "eraseRoute",
];

/// Mutations that are answered where there is little room: they erase, end, or only sign in.
const WITHOUT_ROOM: [&str; 9] = [
    "logIn",
    "refresh",
    "logOut",
    "endSessions",
    "eraseMe",
    "eraseRoute",
    "removeMark",
    "leave",
    "withdrawApproval",
];

/// Whether the region's events tell of everything that the document commands. What is not said plainly is not known to be.
fn all_in_events(request: &mut Request) -> bool {
    only_of(request, &IN_EVENTS)
}

/// Whether every root field is one of these. In a fragment none is.
fn only_of(request: &mut Request, fields: &[&str]) -> bool {
    let listed = |item: &Selection| match item {
        Selection::Field(field) => fields.contains(&field.node.name.node.as_str()),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    };
    request.parsed_query().is_ok_and(|document| {
        let sets = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        sets.flat_map(|set| &set.items).all(|item| listed(&item.node))
    })
}

/// GET: queries only.
pub async fn get(parts: Parts) -> Response {
    let mut request = match axum::extract::Query::<GetRequest>::try_from_uri(&parts.uri) {
        Ok(axum::extract::Query(get)) => match get.into_request() {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        },
        Err(e) => return Problem::new("malformed", e.body_text()).at("query").into_response(),
    };
    let kinds = match admitted(&mut request) {
        Ok(kinds) => kinds,
        Err(error) => return answer::refused(&parts.headers, error),
    };
    if kinds.mutation || kinds.subscription {
        let mut refusal =
            Problem::new("method-not-allowed", "GET takes queries only; a mutation must be sent with POST")
                .into_response();
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    }
    if kinds.introspection_only {
        return local(introspect(&parts, request)).await;
    }
    local(execute(&parts, request)).await
}

impl GetRequest {
    fn into_request(self) -> Result<Request, Problem> {
        let mut request = Request::new(self.query);
        if let Some(name) = self.operation_name {
            request = request.operation_name(name);
        }
        if let Some(variables) = self.variables {
            let variables: serde_json::Value = serde_json::from_str(&variables)
                .map_err(|e| Problem::new("malformed", e.to_string()).at("variables"))?;
            request = request.variables(async_graphql::Variables::from_json(variables));
        }
        Ok(request)
    }
}

/// POST: a JSON body with `query`, and where needed `variables` and `operationName`.
pub async fn post(parts: Parts, body: Bytes) -> Response {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("application/json") {
        return Problem::new("unsupported-media-type", "send application/json").into_response();
    }
    let mut request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(e) => return Problem::new("malformed", e.to_string()).into_response(),
    };
    let kinds = match admitted(&mut request) {
        Ok(kinds) => kinds,
        Err(error) => return answer::refused(&parts.headers, error),
    };
    if kinds.subscription {
        let detail = "a subscription is made over a WebSocket with the subprotocol graphql-transport-ws";
        return Problem::new("invalid", detail).at("query").into_response();
    }
    let in_events = !kinds.mutation || all_in_events(&mut request);
    let mut response = if kinds.introspection_only {
        local(introspect(&parts, request)).await
    } else {
        local(execute(&parts, request)).await
    };
    if !kinds.mutation {
        response.headers_mut().insert(READ, HeaderValue::from_static("1"));
    }
    if !in_events {
        let (name, value) = ELSEWHERE;
        response.headers_mut().insert(name, value);
    }
    response
}

/// The region that answers instead, where nothing was answered here because of that.
fn misdirected(response: &async_graphql::Response) -> Option<String> {
    if response.data != async_graphql::Value::Null {
        return None;
    }
    let regions = response.errors.iter().filter_map(|error| error.extensions.as_ref()?.get("region"));
    regions.into_iter().find_map(|region| match region {
        async_graphql::Value::String(region) => Some(region.clone()),
        _ => None,
    })
}

/// The response key of the first command in the mutation that is executed, one after the other; none for what only reads.
fn first_command(request: &mut Request) -> Option<String> {
    let wanted = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    let (_, operation) = document
        .operations
        .iter()
        .find(|(name, _)| wanted.is_none() || wanted.as_deref() == name.map(Name::as_str))
        .filter(|(_, operation)| operation.node.ty == OperationType::Mutation)?;
    let mut set = &operation.node.selection_set.node;
    // What is nested deeper is refused before anything is executed, and so is a fragment that begins with itself.
    for _ in 0..=BUDGET.levels {
        set = match &set.items.first()?.node {
            Selection::Field(field) => return Some(field.node.response_key().node.to_string()),
            Selection::InlineFragment(fragment) => &fragment.node.selection_set.node,
            Selection::FragmentSpread(spread) => {
                &document.fragments.get(&spread.node.fragment_name.node)?.node.selection_set.node
            }
        };
    }
    None
}

/// The response key of the field that failed.
fn failed_at(response: &async_graphql::Response) -> Option<&str> {
    response.errors.iter().find_map(|error| match error.path.first()? {
        PathSegment::Field(key) => Some(key.as_str()),
        PathSegment::Index(_) => None,
    })
}

/// What one step of an operation came to.
pub struct Stepped {
    /// The result as JSON; of an operation that was refused, its errors.
    pub payload: Vec<u8>,
    /// Whether it was refused.
    pub refused: bool,
    /// From where a subscription goes on; none for what is finished.
    pub reached: Option<Reached>,
}

/// Executes an operation for a socket: a query, or one step of a subscription, which goes on from `cursor`.
pub async fn step(caller: Caller, request: &[u8], cursor: Option<u64>) -> Result<Stepped, Problem> {
    let mut request: Request =
        serde_json::from_slice(request).map_err(|e| Problem::new("malformed", e.to_string()))?;
    let kinds = match admitted(&mut request) {
        Ok(kinds) => kinds,
        Err(error) => {
            return Ok(Stepped { payload: answer::errors(vec![error])?, refused: true, reached: None });
        }
    };
    if kinds.mutation {
        return Err(Problem::new("method-not-allowed", "a mutation must be sent with POST"));
    }
    // Queries and subscriptions name no command.
    let asker = Asker { caller: Ok(caller), token: String::new(), key: None };
    let step = Arc::new(Step::new(cursor));
    let mut results = schema().execute_stream(request.data(asker).data(step.clone()));
    let response = results.next().await.unwrap_or_default();
    let reached = step.reached();
    // A subscription that could not even begin is refused as a whole.
    let refused =
        answer::never_ran(&response) || (response.is_err() && cursor.is_none() && reached.is_none());
    let payload = if refused { answer::errors(response.errors)? } else { answer::body(response)? };
    Ok(Stepped { payload, refused, reached: reached.filter(|reached| !reached.over) })
}

async fn execute(parts: &Parts, mut request: Request) -> Response {
    let key = match extract::idempotency_key(&parts.headers) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let token = extract::bearer(&parts.headers).unwrap_or_default().to_owned();
    let asker = Asker { caller: extract::authenticate_parts(parts).await, token, key };
    let first = first_command(&mut request);
    if first.is_some() && parts.headers.contains_key(STORE_NOTHING) && !only_of(&mut request, &WITHOUT_ROOM) {
        let detail =
            "the node's disk is nearly full, so it stores nothing; nothing was changed. Queries go on";
        return Problem::new("storage-full", detail).into_response();
    }
    let replicas = Replicas::of(&parts.headers);
    let mut response = schema().execute(request.data(asker).data(replicas)).await;
    if let Some(region) = misdirected(&response) {
        if failed_at(&response).is_none_or(|key| first.as_deref().is_none_or(|first| first == key)) {
            return Problem::misdirected(&region).into_response();
        }
        // Sent there as a whole, what was done here would be asked for again.
        for error in &mut response.errors {
            error.message = format!(
                "it is for region '{region}', and what stands before it in this document was done: send commands for \
                 several regions as documents of their own"
            );
        }
    }
    answer::respond(&parts.headers, response)
}

/// Answers what is asked of the schema only. It is the same for everybody, so nobody is authenticated.
async fn introspect(parts: &Parts, request: Request) -> Response {
    let key = introspection::key(&request);
    if let Some(body) = introspection::known(&key) {
        return answer::of_body(&parts.headers, body);
    }
    let response = schema().execute(request).await;
    if response.is_err() {
        return answer::respond(&parts.headers, response);
    }
    match answer::body(response) {
        Ok(body) => answer::of_body(&parts.headers, introspection::remember(key, body)),
        Err(problem) => problem.into_response(),
    }
}
