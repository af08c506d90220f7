//! Rows whose time is over.

use crate::{Sql, SqlError, Value};

/// Removes rows of before a moment, at most `limit`; how many. `due` finds one by `?1`, `remove` removes up to `?2` of them. Where
/// there are none it only reads: what comes with every timer takes no writer's turn for nothing.
///
/// # Errors
/// When the database fails.
pub fn remove_due(
    sql: &impl Sql,
    due: &str,
    remove: &str,
    before: impl Into<Value>,
    limit: u32,
) -> Result<u64, SqlError> {
    let before = before.into();
    if sql.first(due, std::slice::from_ref(&before))?.is_none() {
        return Ok(0);
    }
    sql.execute(remove, &[before, limit.into()])
}
