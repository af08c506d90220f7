//! The component: one HTTP service over the domains.

mod api;
mod bindings;
mod caution;
mod clock;
mod cors;
mod digest;
mod events;
mod exchange;
mod extract;
mod graphql;
mod internal;
mod live;
mod openapi;
mod ops;
mod outbox;
mod problem;
mod regions;
mod replicas;
mod rest;
mod router;
mod sockets;
mod take_over;
mod waits;

use http_body_util::BodyExt as _;
use send_wrapper::SendWrapper;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

/// The header by which the node learns what a request changed, so that it tells those who watch it. The node takes it away.
const CHANGED: &str = "edge-changed";

/// The header by which the node learns that a POST changed nothing, so that its answer need not wait. Taken away, too.
const READ: &str = "edge-read";

/// The header by which the node learns which region a request is for, where it is not this one. Taken away, too.
const REGION: &str = "edge-region";

/// The header by which the node learns who called, for its log: the same for each call of an account, and telling nothing to
/// whoever lacks the application's key. Taken away, too.
const ACCOUNT: &str = "edge-account";

/// Lets a future that talks to another component cross an axum handler. A component has one thread, so nothing is ever
/// polled elsewhere; the wrapper checks it.
fn local<F>(future: F) -> SendWrapper<F> {
    SendWrapper::new(future)
}

/// A response whose body is what a feed tells, for as long as it does.
#[derive(Clone)]
struct EventStream(live::Feed);

impl axum::response::IntoResponse for EventStream {
    fn into_response(self) -> axum::response::Response {
        let mut response =
            ([(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"))], ())
                .into_response();
        response.extensions_mut().insert(self);
        response
    }
}

struct Gateway;

spin_sdk::wasip3::http::service::export!(Gateway);

impl Guest for Gateway {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (private, mut response) = match exchange::read(request).await {
            Ok(request) => (caution::is_private(&request), router::answer(request).await),
            Err(problem) => (true, axum::response::IntoResponse::into_response(problem)),
        };
        caution::guard(private, &mut response);
        let (mut parts, body) = response.into_parts();
        if let Some(EventStream(feed)) = parts.extensions.remove() {
            // The router counted the body that the feed replaces.
            parts.headers.remove(http::header::CONTENT_LENGTH);
            return exchange::write_events(&parts, feed);
        }
        // Every body is in memory already: collecting takes no time and cannot fail.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        exchange::write(http::Response::from_parts(parts, bytes))
    }
}
