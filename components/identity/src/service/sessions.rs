//! Logging in, refreshing, logging out.

use petwalker_kernel::{Millis, Moment, SessionId};
use petwalker_store::{Sql, transaction};

use super::attempts::Counted;
use super::{Caller, Refusal};
use crate::domain::{
    Account, Claims, EMAIL_BYTES_MAX, Keys, LOG_INS, OpaqueToken, PASSWORD_BYTES_MAX, REFRESH_TTL,
    REFRESH_WINDOW, REFRESHES_MAX, invalid, seconds, verify_password,
};
use crate::sql;

/// A hash that no password has, so that an unknown address takes as long as a known one.
pub(super) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a log-in or refresh gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTokens {
    /// JWT.
    pub access_token: String,
    /// Opaque.
    pub refresh_token: String,
    /// Whose.
    pub account: Account,
}

/// Opens a session. Failures are counted by address, known or not; the right password clears them.
///
/// # Errors
/// When address or password are wrong or too long, or too many were wrong before.
pub fn log_in(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    email: &str,
    password: &str,
) -> Result<SessionTokens, Refusal> {
    if email.len() > EMAIL_BYTES_MAX {
        return Ok(invalid("email", "may have 254 characters")?);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Ok(invalid("password", format!("may have {PASSWORD_BYTES_MAX} bytes"))?);
    }
    let counted = Counted { key: keys.attempt_key("log-in", email), budget: &LOG_INS };
    counted.admit(sql, moment.now)?;
    let known = sql::credentials(sql, email)?;
    let hash = known.as_ref().map_or(NOBODYS_HASH, |(_, hash)| hash);
    let right = verify_password(password, hash)?;
    let Some((account, hash)) = known.filter(|_| right) else {
        return Err(counted.failed(sql, moment.now, Refusal::BadCredentials));
    };
    transaction(sql, |sql| {
        // The password may have been changed, or its owner erased, while this one was hashed.
        if sql::credentials(sql, email)?.is_none_or(|(_, kept)| kept != hash) {
            return Err(Refusal::BadCredentials);
        }
        // Asked again: of guesses that run beside each other, the right one must not be told after too many wrong ones.
        if counted.admit(sql, moment.now)?.is_some() {
            sql::clear_attempts(sql, &counted.key)?;
        }
        open_session(sql, moment, keys, account)
    })
}

/// Opens a session of an account, inside the caller's transaction.
pub(super) fn open_session(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    account: Account,
) -> Result<SessionTokens, Refusal> {
    sql::purge(sql, account.id, moment.now)?;
    let session = SessionId::new(moment);
    sql::insert_session(sql, session, account.id, moment.now.plus(REFRESH_TTL))?;
    hand_out(sql, moment, keys, session, account)
}

fn hand_out(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    session: SessionId,
    account: Account,
) -> Result<SessionTokens, Refusal> {
    let refresh = OpaqueToken::new(moment);
    sql::insert_refresh_token(sql, session, refresh.digest(), moment.now.plus(REFRESH_TTL))?;
    Ok(SessionTokens {
        access_token: keys.issue(account.id, account.role, Some(session), moment.now),
        refresh_token: refresh.encode(),
        account,
    })
}

/// Trades a refresh token. One that was traded before ends its session: either side may be a thief.
///
/// # Errors
/// When the token is unknown, used, or its session has ended or was refreshed too often.
pub fn refresh(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    token: &str,
) -> Result<SessionTokens, Refusal> {
    let token = OpaqueToken::decode(token)?;
    let outcome = transaction(sql, |sql| {
        let trade = sql::refresh_token(sql, token.digest())?.ok_or(Refusal::SessionEnded)?;
        if trade.revoked || trade.expires_at <= moment.now {
            return Err(Refusal::SessionEnded);
        }
        if trade.used {
            // Committed, unlike a refusal: the session must stay ended.
            sql::revoke(sql, trade.session, moment.now)?;
            return Ok(None);
        }
        let window = moment.now.plus(Millis::new(-REFRESH_WINDOW.get()));
        let (count, first) = sql::refreshes_since(sql, trade.session, window)?;
        if let Some(first) = first.filter(|_| count >= REFRESHES_MAX) {
            let retry_after_s = seconds(first.plus(REFRESH_WINDOW).since(moment.now));
            return Err(Refusal::TooManyRequests { retry_after_s });
        }
        sql::mark_used(sql, token.digest(), moment.now)?;
        let account = sql::session_account(sql, trade.session)?.ok_or(Refusal::SessionEnded)?;
        let account = sql::account(sql, account)?.ok_or(Refusal::SessionEnded)?;
        hand_out(sql, moment, keys, trade.session, account).map(Some)
    })?;
    outcome.ok_or(Refusal::TokenReused)
}

/// Ends the session of a refresh token.
///
/// # Errors
/// When the database fails.
pub fn log_out(sql: &impl Sql, moment: &Moment<'_>, token: &str) -> Result<(), Refusal> {
    let Ok(token) = OpaqueToken::decode(token) else { return Ok(()) };
    if let Some(trade) = sql::refresh_token(sql, token.digest())? {
        sql::revoke(sql, trade.session, moment.now)?;
    }
    Ok(())
}

/// That the session was not ended that an access token was issued in.
///
/// # Errors
/// When it was, or the database fails.
pub fn check_session(sql: &impl Sql, claims: Claims) -> Result<(), Refusal> {
    match claims.session {
        Some(session) if sql::is_revoked(sql, session)? => Err(Refusal::SessionEnded),
        _ => Ok(()),
    }
}

/// The caller's account.
///
/// # Errors
/// When it is gone.
pub fn get(sql: &impl Sql, caller: Caller) -> Result<Account, Refusal> {
    sql::account(sql, caller.account)?.ok_or(Refusal::NotFound("account"))
}

#[cfg(test)]
mod tests {
    use super::{SessionTokens, check_session, log_in, log_out, refresh};
    use crate::domain::{Keys, Role};
    use crate::service::sign_up::TERMS;
    use crate::service::{Refusal, SignUp, sign_up};
    use petwalker_kernel::{Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, CommandError, NativeDatabase};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    fn request(role: Role) -> SignUp {
        SignUp {
            email: "Ana@Example.com".into(),
            password: "correct horse".into(),
            display_name: "Ana".into(),
            role,
            operator_code: Some("guess".into()),
        }
    }

    fn command(id: &str) -> Command {
        Command { actor: "anyone".into(), id: id.into(), fingerprint: vec![1] }
    }

    #[test]
    fn a_session_from_log_in_to_theft() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(1) };
        let keys = Keys::from_hex(&hex::encode([1; 32])).expect("keys");
        let account = sign_up(&sql, moment, &command("a"), &request(Role::Tutor), TERMS).expect("signed up");
        assert_eq!(sign_up(&sql, moment, &command("a"), &request(Role::Tutor), TERMS), Ok(account.clone()));
        // The command's digest leaves the password out: who repeats it must have the right one.
        let other = SignUp { password: "battery staple".into(), ..request(Role::Tutor) };
        assert_eq!(
            sign_up(&sql, moment, &command("a"), &other, TERMS),
            Err(Refusal::Command(CommandError::KeyReused("a".into())))
        );
        assert_eq!(
            sign_up(&sql, moment, &command("b"), &request(Role::Tutor), TERMS),
            Err(Refusal::EmailTaken)
        );
        assert_eq!(
            sign_up(&sql, moment, &command("c"), &request(Role::Operator), TERMS),
            Err(Refusal::Forbidden)
        );
        for (email, password) in [("ana@example.com", "wrong horse!"), ("bea@example.com", "correct horse")] {
            assert_eq!(log_in(&sql, moment, &keys, email, password), Err(Refusal::BadCredentials));
        }
        let first = log_in(&sql, moment, &keys, "ana@example.com", "correct horse").expect("in");
        assert_eq!(keys.verify(&first.access_token, NOW).expect("ours").account, account.id);
        let second = refresh(&sql, moment, &keys, &first.refresh_token).expect("refreshed");
        assert_ne!(first.refresh_token, second.refresh_token);
        assert_eq!(refresh(&sql, moment, &keys, &first.refresh_token), Err(Refusal::TokenReused));
        assert_eq!(refresh(&sql, moment, &keys, &second.refresh_token), Err(Refusal::SessionEnded));

        // Their access tokens end with the session.
        let live = |tokens: &SessionTokens| {
            check_session(&sql, keys.verify(&tokens.access_token, NOW).expect("ours"))
        };
        assert_eq!((live(&first), live(&second)), (Err(Refusal::SessionEnded), Err(Refusal::SessionEnded)));
        let mut last = log_in(&sql, moment, &keys, "ana@example.com", "correct horse").expect("in");
        for _ in 0..60 {
            last = refresh(&sql, moment, &keys, &last.refresh_token).expect("refreshed");
        }
        let often = Err(Refusal::TooManyRequests { retry_after_s: 3_600 });
        assert_eq!(refresh(&sql, moment, &keys, &last.refresh_token), often);
        moment.now = NOW.plus(petwalker_kernel::Millis::from_mins(60));
        refresh(&sql, moment, &keys, &last.refresh_token).expect("the token is as good as before");
        moment.now = NOW;

        let third = log_in(&sql, moment, &keys, "ana@example.com", "correct horse").expect("in");
        assert_eq!(live(&third), Ok(()));
        log_out(&sql, moment, &third.refresh_token).expect("out");
        assert_eq!(refresh(&sql, moment, &keys, &third.refresh_token), Err(Refusal::SessionEnded));
        assert!(matches!(refresh(&sql, moment, &keys, "nonsense"), Err(Refusal::BadToken(_))));
    }
}
