//! GraphQL over HTTP: the same operations as REST. Subscriptions come by the node's sockets.
//!
//! Follows the GraphQL-over-HTTP draft: POST with a JSON body, GET for queries only, and the status codes that go with
//! `application/graphql-response+json` where a client accepts it.

mod mutation;
mod query;
mod subscription;

use std::sync::{Arc, OnceLock};

use async_graphql::futures_util::StreamExt as _;
use async_graphql::parser::types::{OperationType, Selection};
use async_graphql::{Name, PathSegment, Request, Schema};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use self::mutation::Mutation;
use self::query::Query;
pub use self::subscription::Reached;
use self::subscription::{Step, Subscriptions};
use super::bindings::petwalker::identity::accounts::{Caller, Command};
use super::extract::{self, Context};
use super::problem::Problem;
use super::{READ, local};

/// Deepest nesting of selections, fragments included.
const NESTING_MAX: usize = 32;
/// Deepest nesting of a query.
const DEPTH_MAX: usize = 12;
/// Most fields of a query.
const COMPLEXITY_MAX: usize = 400;

/// The header by which the node says that there is little room on its disk: a document that stores is refused then.
const STORE_NOTHING: &str = "edge-store-nothing";

type PetWalkerSchema = Schema<Query, Mutation, Subscriptions>;

fn schema() -> &'static PetWalkerSchema {
    static SCHEMA: OnceLock<PetWalkerSchema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        Schema::build(Query, Mutation, Subscriptions)
            .limit_depth(DEPTH_MAX)
            .limit_complexity(COMPLEXITY_MAX)
            .limit_recursive_depth(NESTING_MAX)
            .finish()
    })
}

/// `/graphql/schema`: the schema as text.
pub async fn schema_text() -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (kind, schema().sdl()).into_response()
}

/// Who calls, where somebody does, and how the request's commands are named.
pub struct Asker {
    caller: Result<Caller, Problem>,
    command: Command,
}

impl Asker {
    /// The caller, or that there is none.
    fn caller(&self) -> Result<Caller, Problem> {
        self.caller.clone()
    }

    /// The name of one command of the request: a document may hold several, each under its own response key.
    fn command(&self, response_key: &str) -> Command {
        Command {
            id: format!("{}:{response_key}", self.command.id),
            fingerprint: self.command.fingerprint.clone(),
        }
    }

    fn context(&self, response_key: &str, expected_version: Option<u32>) -> Result<Context, Problem> {
        Ok(Context { caller: self.caller()?, command: self.command(response_key), expected_version })
    }
}

/// A problem as a GraphQL error with its code.
pub fn refused(problem: Problem) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    async_graphql::Error::new(problem.detail).extend_with(|_, extensions| {
        extensions.set("code", problem.code);
        if let Some(field) = problem.field {
            extensions.set("field", field);
        }
        if let Some(region) = problem.region {
            extensions.set("region", region);
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

/// GET: queries only.
pub async fn get(parts: Parts) -> Response {
    let mut request = match axum::extract::Query::<GetRequest>::try_from_uri(&parts.uri) {
        Ok(axum::extract::Query(get)) => match get.into_request() {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        },
        Err(e) => return Problem::new("malformed", e.body_text()).at("query").into_response(),
    };
    if holds(&mut request, |kind| kind != OperationType::Query) {
        let mut refusal =
            Problem::new("method-not-allowed", "GET takes queries only; a mutation must be sent with POST")
                .into_response();
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    }
    local(execute(&parts, &[], request)).await
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

/// Whether the document holds an operation of such a kind. What cannot be read is left to the execution to refuse.
fn holds(request: &mut Request, kind: impl Fn(OperationType) -> bool) -> bool {
    request.parsed_query().is_ok_and(|document| document.operations.iter().any(|(_, op)| kind(op.node.ty)))
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
    if holds(&mut request, |kind| kind == OperationType::Subscription) {
        let detail = "a subscription is made over a WebSocket with the subprotocol graphql-transport-ws";
        return Problem::new("invalid", detail).at("query").into_response();
    }
    let reads = !holds(&mut request, |kind| kind == OperationType::Mutation);
    let mut response = local(execute(&parts, &body, request)).await;
    if reads {
        response.headers_mut().insert(READ, HeaderValue::from_static("1"));
    }
    response
}

/// No data at all means that the document never ran: it could not be read or was not valid.
fn never_ran(response: &async_graphql::Response) -> bool {
    response.is_err()
        && response.data == async_graphql::Value::Null
        && !response.errors.iter().any(|e| !e.path.is_empty())
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
    for _ in 0..=NESTING_MAX {
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
    if holds(&mut request, |kind| kind == OperationType::Mutation) {
        return Err(Problem::new("method-not-allowed", "a mutation must be sent with POST"));
    }
    // Queries and subscriptions name no command.
    let asker = Asker { caller: Ok(caller), command: Command { id: String::new(), fingerprint: Vec::new() } };
    let step = Arc::new(Step::new(cursor));
    let mut results = schema().execute_stream(request.data(asker).data(step.clone()));
    let response = results.next().await.unwrap_or_default();
    let reached = step.reached();
    // A subscription that could not even begin is refused as a whole.
    let refused = never_ran(&response) || (response.is_err() && cursor.is_none() && reached.is_none());
    let payload = if refused { serde_json::to_vec(&response.errors) } else { serde_json::to_vec(&response) };
    let payload = payload.map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(Stepped { payload, refused, reached: reached.filter(|reached| !reached.over) })
}

async fn execute(parts: &Parts, body: &[u8], mut request: Request) -> Response {
    let command = match extract::command(parts, body) {
        Ok(command) => command,
        Err(problem) => return problem.into_response(),
    };
    let asker = Asker { caller: extract::authenticate(&parts.headers).await, command };
    let first = first_command(&mut request);
    if first.is_some() && parts.headers.contains_key(STORE_NOTHING) {
        let detail =
            "the node's disk is nearly full, so it stores nothing; nothing was changed. Queries go on";
        return Problem::new("storage-full", detail).into_response();
    }
    let mut response = schema().execute(request.data(asker)).await;
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
    let never_ran = never_ran(&response);
    let modern = accepts_graphql_response(&parts.headers);
    let status = if modern && never_ran { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let kind = if modern {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let body = serde_json::to_vec(&response).unwrap_or_default();
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, kind, response.http_headers, body).into_response()
}

fn accepts_graphql_response(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("application/graphql-response+json"))
    })
}
