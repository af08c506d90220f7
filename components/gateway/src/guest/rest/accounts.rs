//! `/v1/accounts`, `/v1/sessions`, `/v1/me`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use super::{Created, Json, NoContent, Page, Problems};
use crate::guest::api::{AwaitingApproval, ErasureBody, LogIn, PasswordBody, RefreshToken};
use crate::guest::bindings::petwalker::identity::accounts::{Account, SessionTokens, SignUpRequest};
use crate::guest::extract::{self, Auth, Call, Open, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Makes an account.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = SignUpRequest,
    responses((status = 201, body = Account), Problems))]
pub async fn sign_up(call: Open<SignUpRequest>) -> Result<Created<Account>, Problem> {
    local(ops::accounts::sign_up(call.command, call.body)).await.map(Created)
}

/// Opens a session with e-mail address and password.
#[utoipa::path(post, path = "/v1/sessions", tag = "accounts", request_body = LogIn,
    responses((status = 201, body = SessionTokens), Problems))]
pub async fn log_in(call: Open<LogIn>) -> Result<Created<SessionTokens>, Problem> {
    local(ops::accounts::log_in(call.body)).await.map(Created)
}

/// Trades a refresh token for new tokens. Each is good once; a second use ends the session.
#[utoipa::path(post, path = "/v1/sessions/refresh", tag = "accounts", request_body = RefreshToken,
    responses((status = 201, body = SessionTokens), Problems))]
pub async fn refresh(call: Open<RefreshToken>) -> Result<Created<SessionTokens>, Problem> {
    local(ops::accounts::refresh(call.body)).await.map(Created)
}

/// Ends the session of a refresh token.
#[utoipa::path(post, path = "/v1/sessions/end", tag = "accounts", request_body = RefreshToken,
    responses((status = 204), Problems))]
pub async fn log_out(call: Open<RefreshToken>) -> Result<NoContent, Problem> {
    local(ops::accounts::log_out(call.body)).await.map(|()| NoContent)
}

/// Replaces the caller's password: every session of the account ends, and the answer opens one.
#[utoipa::path(put, path = "/v1/me/password", tag = "accounts", security(("bearer" = [])), request_body = PasswordBody,
    responses((status = 200, body = SessionTokens), Problems))]
pub async fn change_password(call: Call<PasswordBody>) -> Result<Json<SessionTokens>, Problem> {
    local(ops::accounts::change_password(call.context.caller, call.body)).await.map(Json)
}

/// Ends every session of the caller. Access tokens still read until they end, 15 minutes at most, and change nothing.
#[utoipa::path(delete, path = "/v1/me/sessions", tag = "accounts", security(("bearer" = [])),
    responses((status = 204), Problems))]
pub async fn end_sessions(Auth(caller): Auth) -> Result<NoContent, Problem> {
    local(ops::accounts::end_sessions(caller)).await.map(|()| NoContent)
}

/// An operator approves a walker, who may appear then, or a partner, who may sell then.
#[utoipa::path(put, path = "/v1/accounts/{id}/approval", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Account), Problems))]
pub async fn approve(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Account>, Problem> {
    local(ops::accounts::set_approval(caller, id, true)).await.map(Json)
}

/// An operator takes an approval back: the walker appears no more, the partner's products are neither shown nor sold.
#[utoipa::path(delete, path = "/v1/accounts/{id}/approval", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Account), Problems))]
pub async fn withdraw_approval(Auth(caller): Auth, Path(id): Path<String>) -> Result<Json<Account>, Problem> {
    local(ops::accounts::set_approval(caller, id, false)).await.map(Json)
}

/// The accounts that await an operator's approval, the oldest first.
#[utoipa::path(get, path = "/v1/accounts/awaiting-approval", tag = "accounts", security(("bearer" = [])),
    params(Page), responses((status = 200, body = AwaitingApproval), Problems))]
pub async fn awaiting_approval(
    Auth(caller): Auth,
    Query(page): Query<Page>,
) -> Result<Json<AwaitingApproval>, Problem> {
    local(ops::accounts::awaiting_approval(caller, page.cursor, page.limit)).await.map(Json)
}

/// The caller's account.
#[utoipa::path(get, path = "/v1/me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = Account), Problems))]
pub async fn me(Auth(caller): Auth) -> Result<Json<Account>, Problem> {
    local(ops::accounts::me(caller)).await.map(Json)
}

/// Erases the caller: address, name, pets, profile, sessions at once; places, notes, routes and photos of rides that are over
/// within seconds. Invoices stay and name nobody. It cannot be undone.
#[utoipa::path(post, path = "/v1/me/erasure", tag = "accounts", security(("bearer" = [])),
    request_body = ErasureBody, responses((status = 204), Problems))]
pub async fn erase(headers: HeaderMap, call: Call<ErasureBody>) -> Result<NoContent, Problem> {
    let token = extract::bearer(&headers).unwrap_or_default();
    local(ops::accounts::erase(token, call.body)).await.map(|()| NoContent)
}

/// The public keys that sign access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "accounts", responses((status = 200), Problems))]
pub async fn jwks() -> Result<Response, Problem> {
    let keys = local(ops::accounts::jwks()).await?;
    Ok(([(header::CONTENT_TYPE, "application/jwk-set+json")], keys).into_response())
}
