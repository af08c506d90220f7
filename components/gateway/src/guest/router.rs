//! From a request to its operation.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use tower_service::Service as _;

use super::extract::Who;
use super::problem::Problem;
use super::replicas::ELSEWHERE;
use super::{
    ACCOUNT, cors, events, exchange, graphql, internal, local, openapi, outbox, regions, rest, sockets,
    take_over,
};

/// Answers a request whose body was read.
pub async fn answer(mut request: Request<Bytes>) -> Response {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    if let Some(response) = cors::preflight(request.method(), request.headers()) {
        return response;
    }
    regions::prepare().await;
    let cross_origin = cors::is_cross_origin(request.headers());
    let who = Who::default();
    request.extensions_mut().insert(who.clone());
    let mut router = ROUTER.get_or_init(router).clone();
    match router.call(request.map(Body::from)).await {
        Ok(mut response) => {
            cors::allow(cross_origin, &mut response);
            if let Some(account) = who.opaque() {
                response.headers_mut().insert(ACCOUNT, account);
            }
            response
        }
        Err(never) => match never {},
    }
}

fn router() -> Router {
    Router::new()
        .merge(people())
        .merge(rides())
        .merge(money())
        .merge(news())
        .merge(internal_routes())
        .route("/.well-known/jwks.json", get(rest::accounts::jwks))
        .route("/openapi.json", get(openapi::json))
        .route("/graphql", get(graphql::get).post(graphql::post))
        .route("/graphql/schema", get(graphql::schema_text))
        .route("/v1/hello", get(rest::hello))
        .fallback(|| async { Problem::new("not-found", "nothing answers at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new("method-not-allowed", "the path exists and does not take this method")
        })
}

/// What the node asks. Its batches have up to 4 MiB and a record or frame more: less than is read of any request.
fn internal_routes() -> Router {
    Router::new()
        .route("/internal/events", post(internal_events))
        .route("/internal/take-over", post(internal_take_over))
        .route("/internal/outbox", post(internal_outbox))
        .route("/internal/tick", post(internal_tick))
        .route("/internal/settle", post(internal_settle))
        .route("/internal/sockets", post(open_socket))
        .route("/internal/track", post(take_frames))
        .route("/internal/live", post(read_live))
        .route("/internal/subscriptions", post(step_subscription))
        .layer(DefaultBodyLimit::max(exchange::BODY_BYTES_MAX))
}

/// A command whose effect is in no event of the region: the node is told, so that it says no more of it than is true.
fn elsewhere(route: MethodRouter) -> MethodRouter {
    route.layer(map_response(kept_elsewhere))
}

async fn kept_elsewhere(mut response: Response) -> Response {
    let (name, value) = ELSEWHERE;
    response.headers_mut().insert(name, value);
    response
}

fn people() -> Router {
    Router::new()
        .route("/v1/accounts", post(rest::accounts::sign_up))
        .route("/v1/accounts/awaiting-approval", get(rest::accounts::awaiting_approval))
        .route(
            "/v1/accounts/{id}/approval",
            put(rest::accounts::approve).delete(rest::accounts::withdraw_approval),
        )
        .route("/v1/sessions", post(rest::accounts::log_in))
        .route("/v1/sessions/refresh", post(rest::accounts::refresh))
        .route("/v1/sessions/end", post(rest::accounts::log_out))
        .route("/v1/me", get(rest::accounts::me))
        .route("/v1/me/password", put(rest::accounts::change_password))
        .route("/v1/me/sessions", delete(rest::accounts::end_sessions))
        .route("/v1/me/erasure", post(rest::accounts::erase))
        .route("/v1/pets", get(rest::pets::list).post(rest::pets::add))
        .route("/v1/pets/{id}/advice", post(rest::pets::advice))
        .route("/v1/walkers/me", put(rest::walkers::put))
        .route("/v1/walkers/me/presence", put(rest::walkers::appear).delete(rest::walkers::leave))
        .route("/v1/walkers/me/offers", get(rest::walkers::offers))
        .route("/v1/walkers/nearest", get(rest::walkers::nearest))
        .route("/v1/walkers/{id}", get(rest::walkers::get))
}

fn rides() -> Router {
    Router::new()
        .route("/v1/quotes", post(rest::quotes::create))
        .route("/v1/quotes/{id}", get(rest::quotes::get))
        .route("/v1/rides", get(rest::rides::list).post(rest::rides::request))
        .route("/v1/rides/{id}", get(rest::rides::get))
        .route("/v1/rides/{id}/accept", post(rest::rides::accept))
        .route("/v1/rides/{id}/decline", post(rest::rides::decline))
        .route("/v1/rides/{id}/arrive", post(rest::rides::arrive))
        .route("/v1/rides/{id}/start", post(rest::rides::start))
        .route("/v1/rides/{id}/pin", post(rest::rides::renew_pin))
        .route("/v1/rides/{id}/pause", post(rest::rides::pause))
        .route("/v1/rides/{id}/resume", post(rest::rides::resume))
        .route("/v1/rides/{id}/complete", post(rest::rides::complete))
        .route("/v1/rides/{id}/interrupt", post(rest::rides::interrupt))
        .route("/v1/rides/{id}/cancel", post(rest::rides::cancel))
        .route("/v1/rides/{id}/no-show", post(rest::rides::no_show))
        .route("/v1/rides/{id}/rating", elsewhere(post(rest::rides::rate)))
        .route("/v1/rides/{id}/points", post(rest::tracks::append))
        .route("/v1/rides/{id}/approach", put(rest::tracks::approach))
        .route("/v1/rides/{id}/fences", get(rest::tracks::fences).put(rest::tracks::set_fences))
        .route("/v1/rides/{id}/live", get(rest::live::get))
        .route("/v1/rides/{id}/marks", get(rest::marks::list))
        .route("/v1/rides/{id}/marks/{mark}", put(rest::marks::put).delete(rest::marks::remove))
        .route(
            "/v1/rides/{id}/marks/{mark}/photo",
            elsewhere(get(rest::marks::photo).put(rest::marks::put_photo)),
        )
        .route("/v1/rides/{id}/tickets", elsewhere(post(rest::live::ticket)))
        .route("/v1/rides/{id}/route", get(rest::tracks::summary).delete(rest::tracks::erase))
        .route("/v1/rides/{id}/route.geojson", get(rest::tracks::geojson))
        .route("/v1/rides/{id}/route.gpx", get(rest::tracks::gpx))
        .route("/v1/rides/{id}/route.polylines", get(rest::tracks::polylines))
}

fn news() -> Router {
    Router::new()
        .route("/v1/notifications", get(rest::notifications::list))
        .route("/v1/notifications/read", put(rest::notifications::mark_read))
        .route("/v1/insights/days", get(rest::insights::days))
}

fn money() -> Router {
    Router::new()
        .route("/v1/rides/{id}/invoice", get(rest::invoices::get))
        .route("/v1/rides/{id}/tip", elsewhere(post(rest::invoices::tip)))
        .route("/v1/rides/{id}/refund", elsewhere(post(rest::invoices::refund)))
        .route("/v1/me/payment-method", put(rest::invoices::set_payment_method))
        .route("/v1/me/balances", get(rest::invoices::balances))
        .route("/v1/ledger/check", get(rest::invoices::check))
        .route("/v1/products", get(rest::shop::browse).put(rest::shop::put_product))
        .route("/v1/cart", get(rest::shop::get_cart).put(rest::shop::put_cart))
        .route("/v1/orders", post(rest::shop::checkout))
        .route("/v1/orders/{id}", get(rest::shop::get_order))
        .route("/v1/orders/{id}/confirm", post(rest::shop::confirm))
}

async fn internal_events(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = async {
        internal::node_or_relay(uri.path(), &headers, &body).await?;
        events::consume(&body).await
    };
    local(answer).await.unwrap_or_else(IntoResponse::into_response)
}

async fn internal_outbox(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = async {
        internal::node_or_relay(uri.path(), &headers, &body).await?;
        outbox::read(&body).await
    };
    local(answer).await.unwrap_or_else(IntoResponse::into_response)
}

async fn internal_take_over(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let unknown_erased = uri.query() == Some("unknown=erased");
    local(take_over::take_over(unknown_erased, &headers, &body))
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn internal_tick(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = async {
        internal::node_or_relay(uri.path(), &headers, &body).await?;
        events::tick().await
    };
    local(answer).await.unwrap_or_else(IntoResponse::into_response)
}

async fn internal_settle(headers: HeaderMap) -> Response {
    let answer = async {
        internal::only_the_node(&headers).await?;
        events::settle().await
    };
    local(answer).await.unwrap_or_else(IntoResponse::into_response)
}

async fn open_socket(headers: HeaderMap, body: Bytes) -> Response {
    local(sockets::open(&headers, &body)).await.unwrap_or_else(IntoResponse::into_response)
}

async fn take_frames(headers: HeaderMap, body: Bytes) -> Response {
    local(sockets::take(&headers, &body)).await.unwrap_or_else(IntoResponse::into_response)
}

async fn read_live(headers: HeaderMap, body: Bytes) -> Response {
    local(sockets::read(&headers, &body)).await.unwrap_or_else(IntoResponse::into_response)
}

async fn step_subscription(headers: HeaderMap, body: Bytes) -> Response {
    local(sockets::step(&headers, &body)).await.unwrap_or_else(IntoResponse::into_response)
}
