//! Making accounts.

use petwalker_kernel::{AccountId, Moment};
use petwalker_seal::SealKey;
use petwalker_store::{Command, CommandError, Sql, SqlError, kept, once, transaction};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::domain::{Account, Approval, Role, check_sign_up, hash_password, verify_password};
use crate::sql;

/// What a person signs up with.
#[derive(Clone)]
pub struct SignUp {
    /// E-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// Name to show.
    pub display_name: String,
    /// The role asked for.
    pub role: Role,
    /// For operators, the node's code.
    pub operator_code: Option<String>,
}

/// On what terms people sign up.
#[derive(Clone, Copy, Debug)]
pub struct SignUpTerms<'a> {
    /// The node's own code for operators; empty where nobody becomes one.
    pub operator_code: &'a str,
    /// Who approves walkers and partners.
    pub approval: Approval,
}

/// The terms of this crate's tests.
#[cfg(test)]
pub(super) const TERMS: SignUpTerms<'static> =
    SignUpTerms { operator_code: "code", approval: Approval::ByOperators };

/// Makes an account.
///
/// # Errors
/// When an input is out of its range, the address is taken, or an operator has not the code.
pub fn sign_up(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    request: &SignUp,
    terms: SignUpTerms<'_>,
) -> Result<Account, Refusal> {
    check_sign_up(&request.email, &request.password, &request.display_name)?;
    if request.role == Role::Operator {
        let given = request.operator_code.as_deref().unwrap_or_default();
        let knows: bool = given.as_bytes().ct_eq(terms.operator_code.as_bytes()).into();
        if !knows || terms.operator_code.is_empty() {
            return Err(Refusal::Forbidden);
        }
    }
    if let Some(id) = kept(sql, command)? {
        return repeated(sql, command, request, id);
    }
    // Before the transaction: hashing takes its time on purpose, and nobody else should wait for it.
    let hash = hash_password(&request.password, moment.bytes())?;
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                let account = Account {
                    id: AccountId::new(moment),
                    email: request.email.clone(),
                    display_name: request.display_name.clone(),
                    role: request.role,
                    created_at: moment.now,
                    approved: !request.role.needs_approval() || terms.approval == Approval::Unneeded,
                };
                match sql::insert_account(sql, &account, &hash) {
                    Ok(()) => {
                        sql::insert_seal_key(sql, account.id, &SealKey::new(moment.bytes()))?;
                        if !account.approved {
                            sql::await_approval(sql, account.id, moment.now)?;
                        }
                        Ok(account)
                    }
                    Err(SqlError::Constraint(_)) => Err(Refusal::EmailTaken),
                    Err(error) => Err(error.into()),
                }
            },
            |account| account.id,
            |sql, id| repeated(sql, command, request, id),
        )
    })
}

/// The answer to a repeated sign-up. The command's digest leaves the password out, so it is compared with the account's.
fn repeated(sql: &impl Sql, command: &Command, request: &SignUp, id: AccountId) -> Result<Account, Refusal> {
    let known = sql::credentials(sql, &request.email)?.filter(|(account, _)| account.id == id);
    let (account, hash) = known.ok_or(Refusal::NotFound("account"))?;
    if verify_password(&request.password, &hash)? {
        Ok(account)
    } else {
        Err(CommandError::KeyReused(command.id.clone()).into())
    }
}

/// What an account's part of the regions' events is sealed with; none once it was erased.
///
/// # Errors
/// When there is no such account here, or not yet.
pub fn seal_key(sql: &impl Sql, account: AccountId) -> Result<Option<SealKey>, Refusal> {
    sql::seal_key(sql, account)?.ok_or(Refusal::NotFound("account"))
}
