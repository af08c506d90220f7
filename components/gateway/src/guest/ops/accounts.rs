//! Accounts and sessions.

use super::Outcome;
use crate::guest::api::{ErasureBody, LogIn, PasswordBody, RefreshToken};
use crate::guest::bindings::petwalker::identity::accounts::{
    self, Account, Caller, Command, SessionTokens, SignUpRequest,
};

pub async fn sign_up(command: Command, request: SignUpRequest) -> Outcome<Account> {
    Ok(accounts::sign_up(command, request).await?)
}

pub async fn log_in(body: LogIn) -> Outcome<SessionTokens> {
    Ok(accounts::log_in(body.email, body.password).await?)
}

pub async fn refresh(body: RefreshToken) -> Outcome<SessionTokens> {
    Ok(accounts::refresh(body.refresh_token).await?)
}

pub async fn log_out(body: RefreshToken) -> Outcome<()> {
    Ok(accounts::log_out(body.refresh_token).await?)
}

pub async fn change_password(caller: Caller, body: PasswordBody) -> Outcome<SessionTokens> {
    Ok(accounts::change_password(caller, body.current, body.new).await?)
}

pub async fn end_sessions(caller: Caller) -> Outcome<()> {
    Ok(accounts::end_sessions(caller).await?)
}

/// Erases whose token it is. What regions keep goes with their next ticks.
pub async fn erase(token: &str, body: ErasureBody) -> Outcome<()> {
    Ok(accounts::erase(token.to_owned(), body.password).await?)
}

pub async fn jwks() -> Outcome<String> {
    Ok(accounts::jwks().await?)
}

pub async fn me(caller: Caller) -> Outcome<Account> {
    Ok(accounts::get(caller).await?)
}
