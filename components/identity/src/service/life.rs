//! Changing a password, ending sessions, and erasing a person.

use petwalker_kernel::{AccountId, Moment, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::sessions::NOBODYS_HASH;
use crate::domain::{Claims, check_password, hash_password, verify_password};
use crate::sql;

/// Erasures told at once.
const ERASURES_MAX: u32 = 16;

/// That somebody knows the password of the account that they call for. Hashing takes its time, so it is asked before a
/// transaction begins.
fn check_current(sql: &impl Sql, account: AccountId, password: &str) -> Result<(), Refusal> {
    let hash = sql::password_hash(sql, account)?.ok_or(Refusal::NotFound("account"))?;
    if verify_password(password, &hash)? { Ok(()) } else { Err(Refusal::BadCredentials) }
}

/// Changes the caller's password and ends every other session: who knew the old one is out.
///
/// # Errors
/// When the current password is wrong or the new one out of its range.
pub fn change_password(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    claims: Claims,
    current: &str,
    new: &str,
) -> Result<(), Refusal> {
    check_password("new_password", new)?;
    check_current(sql, claims.account, current)?;
    let hash = hash_password(new, moment.bytes())?;
    transaction(sql, |sql| {
        sql::set_password_hash(sql, claims.account, &hash)?;
        sql::revoke_others(sql, claims.account, claims.session, moment.now)?;
        Ok(())
    })
}

/// Ends the caller's sessions but for the one that asks; how many there were.
///
/// # Errors
/// When the database fails.
pub fn end_other_sessions(sql: &impl Sql, now: UtcMillis, claims: Claims) -> Result<u64, Refusal> {
    Ok(sql::revoke_others(sql, claims.account, claims.session, now)?)
}

/// Erases the caller, who gives the password once more.
///
/// # Errors
/// When the password is wrong.
pub fn erase(sql: &impl Sql, now: UtcMillis, claims: Claims, password: &str) -> Result<(), Refusal> {
    check_current(sql, claims.account, password)?;
    transaction(sql, |sql| Ok(sql::erase(sql, claims.account, claims.role, NOBODYS_HASH, now)?))
}

/// Who was erased after a number, in order, some of them.
///
/// # Errors
/// When the database fails.
pub fn erasures_after(sql: &impl Sql, seq: u64) -> Result<Vec<(u64, AccountId)>, Refusal> {
    Ok(sql::erasures_after(sql, seq, ERASURES_MAX)?)
}

#[cfg(test)]
mod tests {
    use super::{change_password, end_other_sessions, erase, erasures_after};
    use crate::domain::{Keys, Role};
    use crate::service::{Refusal, SignUp, check_session, log_in, seal_key, sign_up};
    use petwalker_kernel::{Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase, Sql as _};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    #[test]
    fn a_password_changes_and_a_person_goes() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(1) };
        let keys = Keys::from_hex(&hex::encode([1; 32])).expect("keys");
        let request = SignUp {
            email: "Ana@Example.com".into(),
            password: "correct horse".into(),
            display_name: "Ana Luísa".into(),
            role: Role::Tutor,
            operator_code: None,
        };
        let command = Command { actor: "a".into(), id: "k".into(), fingerprint: vec![1] };
        let account = sign_up(&sql, moment, &command, &request, "").expect("signed up").id;
        let mut session = |password: &str| {
            let tokens = log_in(&sql, moment, &keys, "ana@example.com", password)?;
            Ok::<_, Refusal>(keys.verify(&tokens.access_token, NOW).expect("ours"))
        };
        let (mine, other) = (session("correct horse").expect("in"), session("correct horse").expect("in"));
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(2) };
        let wrong = change_password(&sql, moment, mine, "wrong horse!", "battery staple");
        assert_eq!(wrong, Err(Refusal::BadCredentials));
        let short = change_password(&sql, moment, mine, "correct horse", "short");
        assert!(matches!(short, Err(Refusal::Invalid(_))));
        change_password(&sql, moment, mine, "correct horse", "battery staple").expect("changed");
        assert_eq!(check_session(&sql, mine), Ok(()));
        assert_eq!(check_session(&sql, other), Err(Refusal::SessionEnded));
        let again = log_in(&sql, moment, &keys, "ana@example.com", "battery staple").expect("in");
        let again = keys.verify(&again.access_token, NOW).expect("ours");
        assert_eq!(end_other_sessions(&sql, NOW, again), Ok(1));
        assert_eq!(check_session(&sql, mine), Err(Refusal::SessionEnded));

        assert_eq!(erase(&sql, NOW, again, "correct horse"), Err(Refusal::BadCredentials));
        erase(&sql, NOW, again, "battery staple").expect("erased");
        assert_eq!(seal_key(&sql, account), Ok(None));
        assert_eq!(check_session(&sql, again), Err(Refusal::SessionEnded));
        assert_eq!(erasures_after(&sql, 0), Ok(vec![(1, account)]));
        assert_eq!(erasures_after(&sql, 1), Ok(vec![]));
        for email in ["ana@example.com", "", &format!("erased:{account}")] {
            let refused = log_in(&sql, moment, &keys, email, "battery staple");
            assert_eq!(refused, Err(Refusal::BadCredentials), "{email}");
        }
        let rows = sql.query("SELECT * FROM accounts", &[]).expect("read");
        let text = format!("{rows:?}");
        assert!(!text.contains("xample.com") && !text.contains("Ana"), "{text}");
        // The address is free again.
        let command = Command { id: "l".into(), ..command };
        assert_ne!(sign_up(&sql, moment, &command, &request, "").expect("signed up").id, account);
    }
}
