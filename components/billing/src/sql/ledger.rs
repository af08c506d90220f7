//! `ledger_accounts` and `ledger_transfers`.

use petwalker_kernel::{EntryId, Moment, Money};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::Transfer;

/// Posts transfers, inside the caller's transaction; `subject` is the id of the invoice or the order they are for.
///
/// # Errors
/// When the database refuses one.
pub fn post(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    subject: &impl std::fmt::Display,
    transfers: &[Transfer],
) -> Result<(), SqlError> {
    for transfer in transfers {
        let currency = transfer.amount.currency();
        for account in [transfer.debit, transfer.credit] {
            sql.execute(
                "INSERT OR IGNORE INTO ledger_accounts (id, currency) VALUES (?1, ?2)",
                &[Value::display(&account), currency.as_str().into()],
            )?;
        }
        sql.execute(
            "INSERT INTO ledger_transfers (id, debit, credit, amount_minor, currency, reason, invoice_id, at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &[
                Value::display(&EntryId::new(moment)),
                Value::display(&transfer.debit),
                Value::display(&transfer.credit),
                transfer.amount.minor().into(),
                currency.as_str().into(),
                transfer.reason.into(),
                Value::display(subject),
                moment.now.into(),
            ],
        )?;
    }
    Ok(())
}

/// Credits less debits of an account, per currency.
///
/// # Errors
/// When the database fails.
pub fn balances(sql: &impl Sql, account: &str) -> Result<Vec<Money>, SqlError> {
    let rows = sql.query(
        "SELECT sum(amount_minor), currency FROM ledger_entries WHERE account = ?1 GROUP BY currency ORDER BY currency",
        &[account.into()],
    )?;
    rows.iter().map(|row| Ok(Money::new(row.int(0)?, row.parse(1)?))).collect()
}

/// The sum over all accounts, per currency.
///
/// # Errors
/// When the database fails.
pub fn sums(sql: &impl Sql) -> Result<Vec<Money>, SqlError> {
    let rows = sql.query(
        "SELECT sum(amount_minor), currency FROM ledger_entries GROUP BY currency ORDER BY currency",
        &[],
    )?;
    rows.iter().map(|row| Ok(Money::new(row.int(0)?, row.parse(1)?))).collect()
}

/// How many transfers there are.
///
/// # Errors
/// When the database fails.
pub fn transfer_count(sql: &impl Sql) -> Result<u64, SqlError> {
    sql.first("SELECT count(*) FROM ledger_transfers", &[])?.map_or(Ok(0), |row| row.uint(0))
}
