//! `petwalker:identity/accounts`.

use petwalker_store::{Ambient, Command as StoreCommand, Database};

use super::bindings::Component;
use super::bindings::exports::petwalker::identity::accounts::{
    Account, Caller, Command, Erasure, Guest, Instant, Purged, Refusal, SessionTokens, SignUpRequest, Ticket,
    TicketHolder,
};
use super::{convert, global, keys, region};
use crate::domain::{Claims, email_key};
use crate::service;

/// What addresses are digested for, before there is an account.
const ADDRESSES: &str = "petwalker/sign-up-address/v1";

/// What a token says whose session was not ended.
async fn live(sql: &Database, access_token: &str) -> Result<Claims, service::Refusal> {
    keys::keys().await?;
    let claims = keys::verify(access_token, Ambient::now())?;
    service::check_session(sql, claims)?;
    Ok(claims)
}

impl Guest for Component {
    async fn sign_up(command: Command, request: SignUpRequest) -> Result<Account, Refusal> {
        // Before there is an account, its address stands for who commands; nobody reads it out of this.
        let key = keys::application_key().await?.derive(ADDRESSES);
        let address = key.mac(&[email_key(&request.email).as_bytes()]);
        let command = StoreCommand {
            actor: format!("sign-up:{}", hex::encode(address)),
            id: command.id,
            fingerprint: command.fingerprint,
        };
        let keys = keys::keys().await?;
        let operator_code = keys::operator_code().await?;
        let terms = service::SignUpTerms { operator_code: &operator_code, approval: keys::approval().await? };
        let sql = global()?;
        let request = convert::sign_up(request);
        let account = Ambient::moment(|moment| {
            service::sign_up_within_budget(&sql, moment, keys, &command, &request, terms)
        })?;
        Ok(convert::account(account))
    }

    async fn log_in(email: String, password: String) -> Result<SessionTokens, Refusal> {
        let keys = keys::keys().await?;
        let sql = global()?;
        let tokens = Ambient::moment(|moment| service::log_in(&sql, moment, keys, &email, &password))?;
        Ok(convert::tokens(tokens))
    }

    async fn refresh(refresh_token: String) -> Result<SessionTokens, Refusal> {
        let keys = keys::keys().await?;
        let sql = global()?;
        let tokens = Ambient::moment(|moment| service::refresh(&sql, moment, keys, &refresh_token))?;
        Ok(convert::tokens(tokens))
    }

    async fn log_out(refresh_token: String) -> Result<(), Refusal> {
        let sql = global()?;
        Ok(Ambient::moment(|moment| service::log_out(&sql, moment, &refresh_token))?)
    }

    async fn change_password(caller: Caller, current: String, new: String) -> Result<SessionTokens, Refusal> {
        let caller = convert::caller(&caller)?;
        let keys = keys::keys().await?;
        let sql = global()?;
        let tokens =
            Ambient::moment(|moment| service::change_password(&sql, moment, keys, caller, &current, &new))?;
        Ok(convert::tokens(tokens))
    }

    async fn end_sessions(caller: Caller) -> Result<(), Refusal> {
        Ok(service::end_sessions(&global()?, Ambient::now(), convert::caller(&caller)?)?)
    }

    async fn prepare() -> Result<(), Refusal> {
        keys::keys().await?;
        Ok(())
    }

    fn authenticate(access_token: String) -> Result<Caller, Refusal> {
        let claims = keys::verify(&access_token, Ambient::now())?;
        Ok(convert::caller_to_wit(claims))
    }

    fn authenticate_now(access_token: String) -> Result<Caller, Refusal> {
        let claims = keys::verify(&access_token, Ambient::now())?;
        service::check_session(&global()?, claims)?;
        Ok(convert::caller_to_wit(claims))
    }

    fn access_ends_at(access_token: String) -> Result<Instant, Refusal> {
        let claims = keys::verify(&access_token, Ambient::now())?;
        service::check_session(&global()?, claims)?;
        Ok(Instant { epoch_ms: claims.expires_at.get() })
    }

    fn issue_ticket(access_token: String, purpose: String) -> Result<Ticket, Refusal> {
        let claims = keys::verify(&access_token, Ambient::now())?;
        let sql = region()?;
        let (value, expires_at) =
            Ambient::moment(|moment| service::issue_ticket(&sql, moment, claims, &purpose))?;
        Ok(Ticket { value, expires_at: Instant { epoch_ms: expires_at.get() } })
    }

    fn redeem_ticket(ticket: String, purpose: String) -> Result<TicketHolder, Refusal> {
        let ticket = service::redeem_ticket(&region()?, Ambient::now(), &ticket, &purpose)?;
        let access_ends_at = Instant { epoch_ms: ticket.access_ends_at.get() };
        let claims = Claims {
            account: ticket.account,
            role: ticket.role,
            session: None,
            expires_at: ticket.access_ends_at,
        };
        Ok(TicketHolder { caller: convert::caller_to_wit(claims), access_ends_at })
    }

    async fn jwks() -> Result<String, Refusal> {
        Ok(keys::keys().await?.jwks())
    }

    fn seal_key(account_id: String) -> Result<Option<Vec<u8>>, Refusal> {
        let account = account_id.parse().map_err(|_| service::Refusal::NotFound("account"))?;
        Ok(service::seal_key(&global()?, account)?.map(|key| key.as_bytes().to_vec()))
    }

    async fn set_approval(caller: Caller, account_id: String, approved: bool) -> Result<Account, Refusal> {
        let caller = convert::caller(&caller)?;
        let id = account_id.parse().map_err(|_| service::Refusal::NotFound("account"))?;
        let account = service::set_approval(&global()?, Ambient::now(), caller, id, approved)?;
        Ok(convert::account(account))
    }

    async fn awaiting_approval(
        caller: Caller,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Account>, Refusal> {
        let caller = convert::caller(&caller)?;
        let after = after.map(|id| convert::account_id("cursor", &id)).transpose()?;
        let accounts = service::awaiting_approval(&global()?, caller, after, limit)?;
        Ok(accounts.into_iter().map(convert::account).collect())
    }

    async fn check_approved(caller: Caller) -> Result<(), Refusal> {
        Ok(service::check_approved(&global()?, convert::caller(&caller)?)?)
    }

    async fn erase(access_token: String, password: String) -> Result<(), Refusal> {
        let sql = global()?;
        let claims = live(&sql, &access_token).await?;
        let keys = keys::keys().await?;
        Ok(Ambient::moment(|moment| service::erase(&sql, moment, keys, claims, &password))?)
    }

    fn erasures_after(seq: u64) -> Result<Vec<Erasure>, Refusal> {
        let erasures = service::erasures_after(&global()?, seq)?;
        let told = |(seq, account): (u64, petwalker_kernel::AccountId)| Erasure {
            seq,
            account_id: account.to_string(),
        };
        Ok(erasures.into_iter().map(told).collect())
    }

    async fn purge() -> Result<Vec<Purged>, Refusal> {
        let rows = service::purge(&region()?, &global()?, Ambient::now())?;
        Ok(rows.into_iter().map(|(what, rows)| Purged { what: what.to_owned(), rows }).collect())
    }

    async fn get(caller: Caller) -> Result<Account, Refusal> {
        Ok(convert::account(service::get(&global()?, convert::caller(&caller)?)?))
    }
}
