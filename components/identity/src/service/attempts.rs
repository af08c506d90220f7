//! Counting attempts that failed, in the same way whether or not there is such an account.
//!
//! Only failures are written. Attempts that run beside each other are judged in the transaction that notes them: however many
//! were let in before the first of them failed, no more are answered than the budget says.

use petwalker_kernel::{Moment, UtcMillis};
use petwalker_store::{Command, Sql, transaction};

use super::{Refusal, SignUp, SignUpTerms, sign_up};
use crate::domain::{Account, AttemptBudget, AttemptKey, Attempts, Keys, SIGN_UPS, check_sign_up};
use crate::sql;

/// What is counted, and how much of it is let pass.
pub(super) struct Counted {
    pub key: AttemptKey,
    pub budget: &'static AttemptBudget,
}

impl Counted {
    /// That an attempt may be made now.
    pub fn admit(&self, sql: &impl Sql, now: UtcMillis) -> Result<Option<Attempts>, Refusal> {
        let known = sql::attempts(sql, &self.key)?;
        match known.and_then(|known| known.wait_s(now, self.budget)) {
            Some(retry_after_s) => Err(Refusal::TooManyRequests { retry_after_s }),
            None => Ok(known),
        }
    }

    /// Notes an attempt that failed, and gives what is to be answered: `refusal`, or that too many came before it.
    pub fn failed(&self, sql: &impl Sql, now: UtcMillis, refusal: Refusal) -> Refusal {
        let noted = transaction(sql, |sql| {
            let known = self.admit(sql, now)?;
            let attempts = Attempts::with_failure(known, now, self.budget);
            sql::put_attempts(sql, &self.key, &attempts, self.budget.forgotten_after)?;
            Ok(())
        });
        noted.err().unwrap_or(refusal)
    }
}

/// Forgets what was counted for an address, inside the caller's transaction.
pub(super) fn forget_attempts(sql: &impl Sql, keys: &Keys, email: &str) -> Result<(), Refusal> {
    for kind in ["log-in", "sign-up"] {
        sql::clear_attempts(sql, &keys.attempt_key(kind, email))?;
    }
    Ok(())
}

/// Makes an account. How often an address that is taken may be tried is bounded; trying it costs as much as making one.
///
/// # Errors
/// As [`sign_up`], and when the address was tried too often.
pub fn sign_up_within_budget(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    keys: &Keys,
    command: &Command,
    request: &SignUp,
    terms: SignUpTerms<'_>,
) -> Result<Account, Refusal> {
    check_sign_up(&request.email, &request.password, &request.display_name)?;
    let counted = Counted { key: keys.attempt_key("sign-up", &request.email), budget: &SIGN_UPS };
    counted.admit(sql, moment.now)?;
    match sign_up(sql, moment, command, request, terms) {
        Err(Refusal::EmailTaken) => Err(counted.failed(sql, moment.now, Refusal::EmailTaken)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::sign_up_within_budget;
    use crate::domain::{AttemptKey, Attempts, Keys, LOG_INS, Role};
    use crate::service::sign_up::TERMS;
    use crate::service::{Refusal, SignUp, log_in};
    use crate::sql;
    use petwalker_kernel::{Millis, Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase, Sql as _};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    fn at(seconds: i64) -> UtcMillis {
        NOW.plus(Millis::from_secs(seconds))
    }

    fn keys() -> Keys {
        Keys::from_hex(&hex::encode([1; 32])).expect("keys")
    }

    fn join(sql: &NativeDatabase, id: &str, now: UtcMillis) -> Result<(), Refusal> {
        let request = SignUp {
            email: "Ana@Example.com".into(),
            password: "correct horse".into(),
            display_name: "Ana".into(),
            role: Role::Tutor,
            operator_code: None,
        };
        let command = Command { actor: "anyone".into(), id: id.into(), fingerprint: vec![1] };
        let moment = &mut Moment { now, entropy: &mut SeededEntropy(1) };
        sign_up_within_budget(sql, moment, &keys(), &command, &request, TERMS).map(|_| ())
    }

    fn enter(sql: &NativeDatabase, email: &str, password: &str, now: UtcMillis) -> Result<(), Refusal> {
        let seed = now.unsigned();
        log_in(sql, &mut Moment { now, entropy: &mut SeededEntropy(seed) }, &keys(), email, password)
            .map(|_| ())
    }

    #[test]
    fn guesses_are_counted_for_known_and_unknown_alike() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        join(&sql, "a", NOW).expect("signed up");
        for email in ["ana@example.com", "bea@example.com"] {
            for second in 0..10 {
                assert_eq!(enter(&sql, email, "wrong horse!", at(second)), Err(Refusal::BadCredentials));
            }
            // The right password, the wrong one, and another spelling of the address: all wait.
            for (spelling, password) in [
                (email.to_owned(), "correct horse"),
                (email.to_uppercase(), "wrong horse!"),
                (format!(" {email}"), "x"),
            ] {
                let refused = enter(&sql, &spelling, password, at(9));
                assert_eq!(refused, Err(Refusal::TooManyRequests { retry_after_s: 60 }), "{spelling}");
            }
            assert_eq!(enter(&sql, email, "wrong horse!", at(69)), Err(Refusal::BadCredentials));
            let refused = enter(&sql, email, "wrong horse!", at(70));
            assert_eq!(refused, Err(Refusal::TooManyRequests { retry_after_s: 119 }));
        }
        enter(&sql, "ana@example.com", "correct horse", at(189)).expect("in");
        assert_eq!(enter(&sql, "ana@example.com", "wrong horse!", at(190)), Err(Refusal::BadCredentials));
        let rows = sql.query("SELECT failures FROM attempts ORDER BY failures", &[]).expect("read");
        let rows: Vec<i64> = rows.iter().map(|row| row.int(0).expect("a number")).collect();
        assert_eq!(rows, [1, 11], "the right password clears what was counted");
    }

    #[test]
    fn what_is_too_long_is_not_hashed() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let long = "x".repeat(1_025);
        for (email, password, field) in
            [("ana@example.com", long.as_str(), "password"), (long.as_str(), "correct horse", "email")]
        {
            let refused = enter(&sql, email, password, NOW);
            assert!(matches!(&refused, Err(Refusal::Invalid(e)) if e.field == field), "{refused:?}");
        }
    }

    #[test]
    fn an_address_that_is_taken_is_not_asked_for_ever() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        join(&sql, "a", NOW).expect("signed up");
        for second in 0..5 {
            assert_eq!(join(&sql, &format!("b{second}"), at(second)), Err(Refusal::EmailTaken));
        }
        assert_eq!(join(&sql, "c", at(5)), Err(Refusal::TooManyRequests { retry_after_s: 59 }));
        enter(&sql, "ana@example.com", "correct horse", at(5)).expect("logging in is another matter");
    }

    #[test]
    fn rows_are_bounded_and_who_waits_keeps_the_place() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let key = |last: u8| AttemptKey { place: 7, digest: [last; 16] };
        let put = |key: &AttemptKey, attempts: &Attempts| {
            sql::put_attempts(&sql, key, attempts, LOG_INS.forgotten_after).expect("written");
        };
        let first = Attempts::with_failure(None, NOW, &LOG_INS);
        put(&key(1), &first);
        put(&key(2), &first);
        assert_eq!(sql::attempts(&sql, &key(1)), Ok(None), "the later one has the place");
        let locked = (0..10).fold(None, |known, _| Some(Attempts::with_failure(known, NOW, &LOG_INS)));
        put(&key(2), &locked.expect("ten"));
        put(&key(3), &Attempts::with_failure(None, at(59), &LOG_INS));
        assert_eq!(sql::attempts(&sql, &key(2)), Ok(locked), "who waits keeps it");
        let later = Attempts::with_failure(None, at(3_700), &LOG_INS);
        put(&AttemptKey { place: 8, digest: [9; 16] }, &later);
        assert_eq!(sql::attempts(&sql, &key(2)), Ok(None), "what is forgotten goes");
    }
}
