//! What one account may do on one day: a counter a kind, beside what it counts and in the same transaction.

use petwalker_kernel::UtcMillis;

use crate::{CommandError, Sql, SqlError, remove_due};

/// Commands of one account on one day.
pub const COMMANDS_A_DAY_MAX: u32 = 5_000;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Counts one more of `what` for an account, inside the caller's transaction, which is to be rolled back where this fails: then
/// it is not counted. Days are of UTC.
///
/// # Errors
/// When the account has done it `most` times today, or the database fails.
pub fn count_daily(
    sql: &impl Sql,
    account: &str,
    what: &'static str,
    now: UtcMillis,
    most: u32,
) -> Result<(), CommandError> {
    let row = sql.first(
        "INSERT INTO daily_counts (account, what, day, count) VALUES (?1, ?2, ?3, 1) \
         ON CONFLICT (account, what) DO UPDATE SET \
         count = CASE WHEN day = excluded.day THEN count + 1 ELSE 1 END, day = excluded.day RETURNING count",
        &[account.into(), what.into(), now.get().div_euclid(DAY_MS).into()],
    )?;
    let row = row.ok_or_else(|| SqlError::Stored("a counter has no value".to_owned()))?;
    if row.int(0)? > i64::from(most) {
        return Err(CommandError::QuotaReached { what, most });
    }
    Ok(())
}

/// Removes the counts of days before yesterday (UTC), at most `limit`; how many. Only reads where there are none.
///
/// # Errors
/// When the database fails.
pub fn forget_daily_counts(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    let yesterday = now.get().div_euclid(DAY_MS).saturating_sub(1);
    remove_due(
        sql,
        "SELECT 1 FROM daily_counts WHERE day < ?1 LIMIT 1",
        "DELETE FROM daily_counts WHERE (account, what) IN \
         (SELECT account, what FROM daily_counts WHERE day < ?1 ORDER BY day LIMIT ?2)",
        yesterday,
        limit,
    )
}

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::{COMMANDS_A_DAY_MAX, DAY_MS, forget_daily_counts};
    use crate::{Command, CommandError, NativeDatabase, Sql as _, once, transaction};
    use petwalker_kernel::{AccountId, Moment, SeededEntropy, UtcMillis};

    const SCHEMA: &str = include_str!("../../../db-schema/region/schema.sql");
    const MORNING: UtcMillis = UtcMillis::new(20_000 * DAY_MS + 5);

    fn command(actor: &str, id: &str) -> Command {
        Command { actor: actor.to_owned(), id: id.to_owned(), fingerprint: vec![1] }
    }

    /// Carries a command out at a moment: what it was answered.
    fn act(
        sql: &NativeDatabase,
        command: &Command,
        now: UtcMillis,
        outcome: u32,
    ) -> Result<u32, CommandError> {
        transaction(sql, |sql| once(sql, command, now, |_| Ok(outcome), |kept| *kept, |_, kept| Ok(kept)))
    }

    #[test]
    fn an_account_has_so_many_commands_a_day() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let moment = &mut Moment { now: MORNING, entropy: &mut SeededEntropy(1) };
        let (ana, bia) = (AccountId::new(moment).to_string(), AccountId::new(moment).to_string());
        assert_eq!(act(&sql, &command(&ana, "first"), MORNING, 7), Ok(7));
        // As if the day were nearly spent: one is left.
        let spent = i64::from(COMMANDS_A_DAY_MAX - 1);
        sql.execute("UPDATE daily_counts SET count = ?1", &[spent.into()]).expect("written");
        assert_eq!(act(&sql, &command(&ana, "last"), MORNING, 8), Ok(8));
        let quota = CommandError::QuotaReached { what: "commands", most: COMMANDS_A_DAY_MAX };
        for id in ["one-more", ""] {
            assert_eq!(act(&sql, &command(&ana, id), MORNING, 9), Err(quota.clone()), "{id:?}");
        }
        assert_eq!(act(&sql, &command(&ana, "last"), MORNING, 9), Ok(8), "a repeat is none");
        assert_eq!(act(&sql, &command(&bia, "first"), MORNING, 9), Ok(9), "another is not concerned");
        let tomorrow = UtcMillis::new(20_001 * DAY_MS);
        assert_eq!(act(&sql, &command(&ana, "one-more"), tomorrow, 9), Ok(9));
        let later = UtcMillis::new(20_003 * DAY_MS);
        assert_eq!(forget_daily_counts(&sql, later, 1), Ok(1));
        assert_eq!(forget_daily_counts(&sql, later, 9), Ok(1));
        assert_eq!(forget_daily_counts(&sql, later, 9), Ok(0));
    }
}
