//! Erasing a person.

use petwalker_kernel::{AccountId, Moment};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::attempts::{Counted, forget_attempts};
use super::sessions::NOBODYS_HASH;
use crate::domain::{Claims, Keys, LOG_INS, PASSWORD_BYTES_MAX, invalid, verify_password};
use crate::sql;

/// Erasures told at once.
const ERASURES_MAX: u32 = 16;

/// Erases the caller, who gives the password once more. A wrong password counts as a log-in that failed.
///
/// # Errors
/// When the password is wrong or too long, or too many were wrong before.
pub fn erase(
    sql: &impl Sql,
    moment: &Moment<'_>,
    keys: &Keys,
    claims: Claims,
    password: &str,
) -> Result<(), Refusal> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Ok(invalid("password", format!("may have {PASSWORD_BYTES_MAX} bytes"))?);
    }
    let account = sql::account(sql, claims.account)?.ok_or(Refusal::NotFound("account"))?;
    let counted = Counted { key: keys.attempt_key("log-in", &account.email), budget: &LOG_INS };
    counted.admit(sql, moment.now)?;
    let (account, hash) = sql::credentials(sql, &account.email)?.ok_or(Refusal::NotFound("account"))?;
    if !verify_password(password, &hash)? {
        return Err(counted.failed(sql, moment.now, Refusal::BadCredentials));
    }
    transaction(sql, |sql| {
        // Asked again: of guesses that run beside each other, the right one must not be told after too many wrong ones.
        counted.admit(sql, moment.now)?;
        forget_attempts(sql, keys, &account.email)?;
        Ok(sql::erase(sql, account.id, account.role, NOBODYS_HASH, moment.now)?)
    })
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
    use super::{erase, erasures_after};
    use crate::domain::{Keys, Role};
    use crate::service::sign_up::TERMS;
    use crate::service::{Refusal, SignUp, check_session, log_in, seal_key, sign_up};
    use petwalker_kernel::{Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase, Sql as _};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    #[test]
    fn a_person_who_was_erased_is_gone() {
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
        let account = sign_up(&sql, moment, &command, &request, TERMS).expect("signed up").id;
        let tokens = log_in(&sql, moment, &keys, "ana@example.com", "correct horse").expect("in");
        let mine = keys.verify(&tokens.access_token, NOW).expect("ours");
        for _ in 0..3 {
            let wrong = erase(&sql, moment, &keys, mine, "wrong horse!");
            assert_eq!(wrong, Err(Refusal::BadCredentials));
        }
        assert_eq!(sql.query("SELECT 1 FROM attempts", &[]).expect("read").len(), 1);
        erase(&sql, moment, &keys, mine, "correct horse").expect("erased");
        assert_eq!(sql.query("SELECT 1 FROM attempts", &[]).expect("read").len(), 0);
        assert_eq!(seal_key(&sql, account), Ok(None));
        assert_eq!(check_session(&sql, mine), Err(Refusal::SessionEnded));
        assert_eq!(erasures_after(&sql, 0), Ok(vec![(1, account)]));
        assert_eq!(erasures_after(&sql, 1), Ok(vec![]));
        for email in ["ana@example.com", "", &format!("erased:{account}")] {
            let refused = log_in(&sql, moment, &keys, email, "correct horse");
            assert_eq!(refused, Err(Refusal::BadCredentials), "{email}");
        }
        let rows = sql.query("SELECT * FROM accounts", &[]).expect("read");
        let text = format!("{rows:?}");
        assert!(!text.contains("xample.com") && !text.contains("Ana"), "{text}");
        // The address is free again.
        let command = Command { id: "l".into(), ..command };
        assert_ne!(sign_up(&sql, moment, &command, &request, TERMS).expect("signed up").id, account);
    }
}
