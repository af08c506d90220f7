//! Operators approve walkers and partners before they act as such.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::{Caller, Refusal};
use crate::domain::{Account, Invalid, Role};
use crate::sql;

/// Most accounts on one page.
const PAGE_MAX: u32 = 100;

/// Approves a walker or a partner, or takes that back. Repeating it changes nothing.
///
/// # Errors
/// When the caller is no operator, there is no such account, or its role needs no approval.
pub fn set_approval(
    sql: &impl Sql,
    now: UtcMillis,
    caller: Caller,
    id: AccountId,
    approved: bool,
) -> Result<Account, Refusal> {
    if caller.role != Role::Operator {
        return Err(Refusal::Forbidden);
    }
    transaction(sql, |sql| {
        // Who was erased has no address, and is nobody any more.
        let account = sql::account(sql, id)?.filter(|account| !account.email.is_empty());
        let account = account.ok_or(Refusal::NotFound("account"))?;
        if !account.role.needs_approval() {
            let message = "is of an account whose role needs no approval".to_owned();
            return Err(Refusal::Invalid(Invalid { field: "account_id", message }));
        }
        if approved {
            sql::approve(sql, id)?;
        } else {
            sql::await_approval(sql, id, now)?;
        }
        Ok(Account { approved, ..account })
    })
}

/// Accounts that await approval, the oldest first, at most `limit` after that id, and one more where there are more.
///
/// # Errors
/// When the caller is no operator, or `limit` is out of range.
pub fn awaiting_approval(
    sql: &impl Sql,
    caller: Caller,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, Refusal> {
    if caller.role != Role::Operator {
        return Err(Refusal::Forbidden);
    }
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Refusal::Invalid(Invalid {
            field: "limit",
            message: format!("must be 1 to {PAGE_MAX}"),
        }));
    }
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    Ok(sql::awaiting(sql, &after, limit + 1)?)
}

/// That the caller may act in its role.
///
/// # Errors
/// When it awaits approval.
pub fn check_approved(sql: &impl Sql, caller: Caller) -> Result<(), Refusal> {
    if caller.role.needs_approval() && sql::awaits_approval(sql, caller.account)? {
        return Err(Refusal::NotApproved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{awaiting_approval, check_approved, set_approval};
    use crate::domain::{Account, Approval, Role};
    use crate::service::{Caller, Refusal, SignUp, SignUpTerms, sign_up};
    use petwalker_kernel::{AccountId, Moment, SeededEntropy, UtcMillis};
    use petwalker_store::{Command, NativeDatabase};

    const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    fn caller(account: &Account) -> Caller {
        Caller { account: account.id, role: account.role }
    }

    #[test]
    fn walkers_and_partners_act_once_an_operator_says_so() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(1) };
        let mut join = |role: Role, approval| {
            let request = SignUp {
                email: format!("{}-{approval:?}@example.com", role.name()),
                password: "correct horse".into(),
                display_name: "Ana".into(),
                role,
                operator_code: Some("code".into()),
            };
            let command = Command { actor: request.email.clone(), id: "a".into(), fingerprint: vec![1] };
            let terms = SignUpTerms { operator_code: "code", approval };
            sign_up(&sql, moment, &command, &request, terms).expect("signed up")
        };
        let [tutor, walker, partner, operator] = [Role::Tutor, Role::Walker, Role::Partner, Role::Operator]
            .map(|role| join(role, Approval::ByOperators));
        let free = join(Role::Walker, Approval::Unneeded);
        for (account, approved) in
            [(&tutor, true), (&operator, true), (&free, true), (&walker, false), (&partner, false)]
        {
            assert_eq!(account.approved, approved, "{:?}", account.role);
            let expected = if approved { Ok(()) } else { Err(Refusal::NotApproved) };
            assert_eq!(check_approved(&sql, caller(account)), expected, "{:?}", account.role);
        }
        let operator = caller(&operator);
        let ids = |after, limit| -> Vec<AccountId> {
            let page = awaiting_approval(&sql, operator, after, limit).expect("a page");
            page.iter().map(|account| account.id).collect()
        };
        assert_eq!(
            (ids(None, 9), ids(None, 1), ids(Some(walker.id), 9)),
            (vec![walker.id, partner.id], vec![walker.id, partner.id], vec![partner.id]),
            "one more than asked for says that there are more"
        );
        for other in [&tutor, &walker, &partner] {
            let refused = set_approval(&sql, NOW, caller(other), walker.id, true);
            assert_eq!(refused, Err(Refusal::Forbidden), "{:?}", other.role);
            assert_eq!(awaiting_approval(&sql, caller(other), None, 9), Err(Refusal::Forbidden));
        }
        for _ in 0..2 {
            assert!(set_approval(&sql, NOW, operator, walker.id, true).expect("approved").approved);
            assert_eq!((check_approved(&sql, caller(&walker)), ids(None, 9)), (Ok(()), vec![partner.id]));
        }
        for _ in 0..2 {
            assert!(!set_approval(&sql, NOW, operator, walker.id, false).expect("taken back").approved);
            assert_eq!(check_approved(&sql, caller(&walker)), Err(Refusal::NotApproved));
        }
        let refused = set_approval(&sql, NOW, operator, tutor.id, false);
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
        let nobody = AccountId::new(&mut Moment { now: NOW, entropy: &mut SeededEntropy(2) });
        assert_eq!(set_approval(&sql, NOW, operator, nobody, true), Err(Refusal::NotFound("account")));
    }
}
