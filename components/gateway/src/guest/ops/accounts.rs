//! Accounts and sessions.

use super::Outcome;
use crate::guest::api::{AwaitingApproval, ErasureBody, LogIn, PasswordBody, RefreshToken};
use crate::guest::bindings::petwalker::identity::accounts::{
    self, Account, Caller, CallerRole, Command, SessionTokens, SignUpRequest,
};
use crate::guest::bindings::petwalker::marketplace::shop;

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

/// Approves a walker or a partner, or takes that back; a partner's products are shown or hidden with it. Where the second step
/// fails, a repeat does it.
pub async fn set_approval(caller: Caller, id: String, approved: bool) -> Outcome<Account> {
    let account = accounts::set_approval(caller, id, approved).await?;
    if account.role == CallerRole::Partner {
        shop::set_listed(account.id.clone(), approved).await?;
    }
    Ok(account)
}

pub async fn awaiting_approval(
    caller: Caller,
    cursor: Option<String>,
    limit: u32,
) -> Outcome<AwaitingApproval> {
    let mut accounts = accounts::awaiting_approval(caller, cursor, limit).await?;
    let next = (accounts.len() > limit as usize).then(|| {
        accounts.truncate(limit as usize);
        accounts.last().map(|account| account.id.clone())
    });
    Ok(AwaitingApproval { accounts, next: next.flatten() })
}

pub async fn me(caller: Caller) -> Outcome<Account> {
    Ok(accounts::get(caller).await?)
}
