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

/// Changes the password of whose token it is, and ends the other sessions.
pub async fn change_password(token: &str, body: PasswordBody) -> Outcome<()> {
    Ok(accounts::change_password(token.to_owned(), body.current_password, body.new_password).await?)
}

/// Ends the other sessions of whose token it is; how many.
pub async fn end_other_sessions(token: &str) -> Outcome<u64> {
    Ok(accounts::end_other_sessions(token.to_owned()).await?)
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
