//! Reading invoices and balances.

use petwalker_kernel::{Money, RideId};
use petwalker_store::Sql;

use super::{Caller, Refusal, Role};
use crate::domain::{Invoice, LedgerAccount};
use crate::sql;

/// The ledger as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCheck {
    /// How many transfers there are.
    pub transfers: u64,
    /// The sum over all accounts, per currency.
    pub sums: Vec<Money>,
}

/// The invoice of a ride.
///
/// # Errors
/// When there is none, or it is not the caller's.
pub fn get(sql: &impl Sql, caller: Caller, ride: RideId) -> Result<Invoice, Refusal> {
    let mine = |invoice: &Invoice| match caller.role {
        Role::Operator => true,
        Role::Tutor => invoice.tutor_id == caller.account,
        Role::Walker => invoice.walker_id == Some(caller.account),
        Role::Partner => false,
    };
    sql::invoice(sql, ride)?.filter(mine).ok_or(Refusal::NotFound)
}

/// The caller's balances; the platform's for an operator.
///
/// # Errors
/// When the database fails.
pub fn balances(sql: &impl Sql, caller: Caller) -> Result<Vec<(String, Money)>, Refusal> {
    let accounts = match caller.role {
        Role::Tutor => vec![LedgerAccount::Tutor(caller.account)],
        Role::Walker => vec![LedgerAccount::Walker(caller.account)],
        Role::Operator => vec![LedgerAccount::Revenue, LedgerAccount::Clearing],
        Role::Partner => vec![LedgerAccount::Partner(caller.account)],
    };
    let mut all = Vec::new();
    for account in accounts {
        let account = account.to_string();
        let amounts = sql::balances(sql, &account)?;
        all.extend(amounts.into_iter().map(|amount| (account.clone(), amount)));
    }
    Ok(all)
}

/// Adds up the whole ledger.
///
/// # Errors
/// When the caller is no operator.
pub fn check(sql: &impl Sql, caller: Caller) -> Result<LedgerCheck, Refusal> {
    if caller.role != Role::Operator {
        return Err(Refusal::Forbidden);
    }
    Ok(LedgerCheck { transfers: sql::transfer_count(sql)?, sums: sql::sums(sql)? })
}
