//! Invoices, tips, refunds, balances.

use axum::extract::Path;

use super::{Json, NoContent, Problems};
use crate::guest::api::{Balances, PaymentMethodBody, RefundBody, TipBody};
use crate::guest::bindings::petwalker::billing::invoices::{Invoice, LedgerCheck};
use crate::guest::extract::{Auth, Call};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// The invoice of a ride.
#[utoipa::path(get, path = "/v1/rides/{id}/invoice", tag = "billing", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), responses((status = 200, body = Invoice), Problems))]
pub async fn get(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Invoice>, Problem> {
    local(ops::invoices::get(caller, id)).await.map(Json)
}

/// The tutor adds a tip, all of it the walker's.
#[utoipa::path(post, path = "/v1/rides/{id}/tip", tag = "billing", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), request_body = TipBody,
    responses((status = 200, body = Invoice), Problems))]
pub async fn tip(Path(id): Path<String>, call: Call<TipBody>) -> Result<Json<Invoice>, Problem> {
    local(ops::invoices::tip(call.context, id, call.body)).await.map(Json)
}

/// An operator gives money back.
#[utoipa::path(post, path = "/v1/rides/{id}/refund", tag = "billing", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ride")), request_body = RefundBody,
    responses((status = 200, body = Invoice), Problems))]
pub async fn refund(Path(id): Path<String>, call: Call<RefundBody>) -> Result<Json<Invoice>, Problem> {
    local(ops::invoices::refund(call.context, id, call.body)).await.map(Json)
}

/// Sets how the calling tutor pays.
#[utoipa::path(put, path = "/v1/me/payment-method", tag = "billing", security(("bearer" = [])),
    request_body = PaymentMethodBody, responses((status = 204), Problems))]
pub async fn set_payment_method(call: Call<PaymentMethodBody>) -> Result<NoContent, Problem> {
    local(ops::invoices::set_payment_method(call.context, call.body)).await.map(|()| NoContent)
}

/// The caller's balances; the platform's for an operator.
#[utoipa::path(get, path = "/v1/me/balances", tag = "billing", security(("bearer" = [])),
    responses((status = 200, body = Balances), Problems))]
pub async fn balances(Auth(caller): Auth) -> Result<Json<Balances>, Problem> {
    local(ops::invoices::balances(caller)).await.map(|balances| Json(Balances { balances }))
}

/// Adds up the whole ledger, for operators.
#[utoipa::path(get, path = "/v1/ledger/check", tag = "billing", security(("bearer" = [])),
    responses((status = 200, body = LedgerCheck), Problems))]
pub async fn check(Auth(caller): Auth) -> Result<Json<LedgerCheck>, Problem> {
    local(ops::invoices::check(caller)).await.map(Json)
}
