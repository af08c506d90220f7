//! `/v1/products`, `/v1/cart`, `/v1/orders`.

use axum::extract::Path;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Created, Json, Problems};
use crate::guest::api::{CartBody, CheckoutBody, Nothing};
use crate::guest::bindings::petwalker::marketplace::shop::{
    Cart, Order, Product, ProductDetails, ProductPage,
};
use crate::guest::extract::{Auth, Call, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Which products.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Browse {
    /// Of this category only.
    category: Option<String>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
    /// At most so many, 1 to 100.
    #[serde(default = "twenty")]
    limit: u32,
}

const fn twenty() -> u32 {
    20
}

/// Products in the order of their titles.
#[utoipa::path(get, path = "/v1/products", tag = "marketplace", params(Browse),
    responses((status = 200, body = ProductPage), Problems))]
pub async fn browse(Query(q): Query<Browse>) -> Result<Json<ProductPage>, Problem> {
    local(ops::shop::browse(q.category, q.cursor, q.limit)).await.map(Json)
}

/// Adds a product of the calling partner, or replaces the one with the same number.
#[utoipa::path(put, path = "/v1/products", tag = "marketplace", security(("bearer" = [])),
    request_body = ProductDetails, responses((status = 200, body = Product), Problems))]
pub async fn put_product(call: Call<ProductDetails>) -> Result<Json<Product>, Problem> {
    local(ops::shop::put_product(call.context, call.body)).await.map(Json)
}

/// The calling tutor's cart.
#[utoipa::path(get, path = "/v1/cart", tag = "marketplace", security(("bearer" = [])),
    responses((status = 200, body = Cart), Problems))]
pub async fn get_cart(Auth(caller): Auth) -> Result<Json<Cart>, Problem> {
    local(ops::shop::get_cart(caller)).await.map(Json)
}

/// Replaces the calling tutor's cart.
#[utoipa::path(put, path = "/v1/cart", tag = "marketplace", security(("bearer" = [])), request_body = CartBody,
    responses((status = 200, body = Cart), Problems))]
pub async fn put_cart(call: Call<CartBody>) -> Result<Json<Cart>, Problem> {
    local(ops::shop::put_cart(call.context, call.body)).await.map(Json)
}

/// Turns the cart into an order of the total that the tutor agrees to, and sets its stock aside for 15 minutes. Where the cart
/// costs something else by now, the problem's `total` says what.
#[utoipa::path(post, path = "/v1/orders", tag = "marketplace", security(("bearer" = [])),
    request_body = CheckoutBody, responses((status = 201, body = Order), Problems))]
pub async fn checkout(call: Call<CheckoutBody>) -> Result<Created<Order>, Problem> {
    local(ops::shop::checkout(call.context, call.body)).await.map(Created)
}

/// An order of the caller's.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "marketplace", security(("bearer" = [])),
    params(("id" = String, Path, description = "The order")), responses((status = 200, body = Order), Problems))]
pub async fn get_order(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Order>, Problem> {
    local(ops::shop::get_order(caller, id)).await.map(Json)
}

/// Pays a reserved order. It is confirmed once the payment is captured, which may be after this answer: then it is `reserved`
/// and its payment `pending`. Confirming a confirmed order changes nothing.
#[utoipa::path(post, path = "/v1/orders/{id}/confirm", tag = "marketplace", security(("bearer" = [])),
    params(("id" = String, Path, description = "The order")), responses((status = 200, body = Order), Problems))]
pub async fn confirm(Path(id): Path<String>, call: Call<Nothing>) -> Result<Json<Order>, Problem> {
    local(ops::shop::confirm(call.context, id)).await.map(Json)
}
