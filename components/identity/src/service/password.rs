//! A new password, and an end to sessions that others may hold.

use petwalker_kernel::{Moment, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::attempts::Counted;
use super::sessions::open_session;
use super::{Caller, Refusal, SessionTokens};
use crate::domain::{
    Invalid, Keys, LOG_INS, PASSWORD_BYTES_MAX, check_password, hash_password, invalid, verify_password,
};
use crate::sql;

/// Replaces the caller's password. Every session of the account ends, and one is opened with the new password. A wrong current
/// password counts as a log-in that failed.
///
/// # Errors
/// When the current password is wrong, the new one out of its range, or too many were wrong before.
pub fn change_password(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    caller: Caller,
    current: &str,
    new: &str,
) -> Result<SessionTokens, Refusal> {
    check_password("new", new)?;
    if current.len() > PASSWORD_BYTES_MAX {
        return Ok(invalid("current", format!("may have {PASSWORD_BYTES_MAX} bytes"))?);
    }
    let account = sql::account(sql, caller.account)?.ok_or(Refusal::NotFound("account"))?;
    let counted = Counted { key: keys.attempt_key("log-in", &account.email), budget: &LOG_INS };
    counted.admit(sql, moment.now)?;
    let wrong = || Refusal::Invalid(Invalid { field: "current", message: "is not your password".to_owned() });
    let (account, old_hash) = sql::credentials(sql, &account.email)?.ok_or(Refusal::NotFound("account"))?;
    if !verify_password(current, &old_hash)? {
        return Err(counted.failed(sql, moment.now, wrong()));
    }
    let new_hash = hash_password(new, moment.bytes())?;
    transaction(sql, |sql| {
        if counted.admit(sql, moment.now)?.is_some() {
            sql::clear_attempts(sql, &counted.key)?;
        }
        // Of two changes that run beside each other the second finds another password than it was given.
        if !sql::replace_password(sql, account.id, &old_hash, &new_hash)? {
            return Err(wrong());
        }
        sql::revoke_all(sql, account.id, moment.now)?;
        open_session(sql, moment, keys, account)
    })
}

/// Ends every session of the caller. Access tokens that were handed out still read until they end, 15 minutes at most.
///
/// # Errors
/// When the database fails.
pub fn end_sessions(sql: &impl Sql, now: UtcMillis, caller: Caller) -> Result<(), Refusal> {
    Ok(sql::revoke_all(sql, caller.account, now)?)
}

#[cfg(test)]
mod tests {
    use super::{change_password, end_sessions};
    use crate::domain::{Account, Keys, Role};
    use crate::service::sign_up::TERMS;
    use crate::service::{Caller, Refusal, SignUp, log_in, refresh, sign_up};
    use petwalker_kernel::{Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    /// A database with one account, whose password is "correct horse".
    fn ana(moment: &mut Moment<'_>) -> (NativeDatabase, Keys, Account) {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let keys = Keys::from_hex(&hex::encode([1; 32])).expect("keys");
        let request = SignUp {
            email: "ana@example.com".into(),
            password: "correct horse".into(),
            display_name: "Ana".into(),
            role: Role::Tutor,
            operator_code: None,
        };
        let command = Command { actor: "anyone".into(), id: "a".into(), fingerprint: vec![1] };
        let account = sign_up(&sql, moment, &command, &request, TERMS).expect("signed up");
        (sql, keys, account)
    }

    #[test]
    fn a_new_password_ends_what_the_old_one_opened() {
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(1) };
        let (sql, keys, account) = ana(moment);
        let caller = Caller { account: account.id, role: account.role };
        let stolen = log_in(&sql, moment, &keys, &account.email, "correct horse").expect("in");
        for (current, new, field) in
            [("wrong horse!", "battery staple", "current"), ("correct horse", "short", "new")]
        {
            let refused = change_password(&sql, moment, &keys, caller, current, new);
            assert!(matches!(&refused, Err(Refusal::Invalid(e)) if e.field == field), "{refused:?}");
        }
        let own =
            change_password(&sql, moment, &keys, caller, "correct horse", "battery staple").expect("changed");
        assert_eq!(refresh(&sql, moment, &keys, &stolen.refresh_token), Err(Refusal::SessionEnded));
        let refused = log_in(&sql, moment, &keys, &account.email, "correct horse");
        assert_eq!(refused, Err(Refusal::BadCredentials));
        log_in(&sql, moment, &keys, &account.email, "battery staple").expect("in");
        let own = refresh(&sql, moment, &keys, &own.refresh_token).expect("it goes on");
        end_sessions(&sql, moment.now, caller).expect("ended");
        assert_eq!(refresh(&sql, moment, &keys, &own.refresh_token), Err(Refusal::SessionEnded));
    }

    #[test]
    fn guesses_of_the_current_password_are_counted_with_log_ins() {
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(1) };
        let (sql, keys, account) = ana(moment);
        let caller = Caller { account: account.id, role: account.role };
        for _ in 0..5 {
            let refused = change_password(&sql, moment, &keys, caller, "wrong horse!", "battery staple");
            assert!(matches!(refused, Err(Refusal::Invalid(_))));
            let refused = log_in(&sql, moment, &keys, &account.email, "wrong horse!");
            assert_eq!(refused, Err(Refusal::BadCredentials));
        }
        let refused = change_password(&sql, moment, &keys, caller, "correct horse", "battery staple");
        assert_eq!(refused, Err(Refusal::TooManyRequests { retry_after_s: 60 }));
    }
}
