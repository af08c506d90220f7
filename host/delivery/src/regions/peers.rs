//! What other edges ask: requests for regions that this node owns, and questions of the edges among themselves.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use edge_runtime::Body;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{CLIENT, HOPS, Origin, REGION, Router};
use crate::problem::problem;
use crate::public::incoming;

/// Paths of the edges among themselves begin so.
const CONTROL: &str = "/edge/";

/// Answers the edges' own questions.
pub trait Control: Send + Sync + 'static {
    /// Answers a question; `path` is what follows `/edge/`.
    fn answer<'a>(
        &'a self,
        path: &'a str,
        query: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;
}

/// The service behind the listener for other edges. Whoever comes in has a certificate of the edges' authority.
pub struct PeerDoor {
    router: Arc<Router>,
    control: Arc<dyn Control>,
}

impl PeerDoor {
    /// Hands requests for regions to `router`, and the edges' own questions to `control`.
    #[must_use]
    pub fn new(router: Arc<Router>, control: Arc<dyn Control>) -> Self {
        Self { router, control }
    }

    /// Answers one request of another edge.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let text = |headers: &HeaderMap, name: HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let Some(region) = text(request.headers(), REGION) else {
            let uri = request.uri().clone();
            return match uri.path().strip_prefix(CONTROL) {
                Some(path) => self.control.answer(path, uri.query()).await,
                None => problem(StatusCode::BAD_REQUEST, "no-region", "name a region in edge-region"),
            };
        };
        let client = text(request.headers(), CLIENT).and_then(|client| client.parse().ok());
        let hops = text(request.headers(), HOPS).and_then(|hops| hops.parse().ok());
        let origin = Origin { client: client.unwrap_or(peer.ip()), hops: hops.unwrap_or(u8::MAX) };
        let mut request = request.map(incoming);
        for name in [REGION, HOPS, CLIENT] {
            request.headers_mut().remove(name);
        }
        let from_page = request.headers().contains_key(header::ORIGIN);
        let mut response = self.router.to_region(&region, request, origin).await;
        self.router.throttle().let_pages_read(from_page, &mut response);
        response
    }
}
