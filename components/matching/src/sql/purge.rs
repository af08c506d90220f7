//! Removing what was kept long enough: bounds by time, so that every edge removes the same rows at the same event.

use petwalker_kernel::{AccountId, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

/// What is removed by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aged {
    /// `commands`, by when they were carried out.
    Commands,
    /// `offers` of rides that are over, by when they ended.
    Offers,
    /// `quotes` that no ride uses, by when they ended.
    Quotes,
    /// `ride_details`, quotes and remaining offers of rides, by when these were over.
    Details,
}

impl Aged {
    /// All of them, in the order in which they are removed.
    pub const ALL: [Self; 4] = [Self::Commands, Self::Offers, Self::Quotes, Self::Details];

    /// The name under which its bound is kept, and under which it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Offers => "offers",
            Self::Quotes => "quotes",
            Self::Details => "ride_details",
        }
    }

    /// The time of the row that comes `?3` rows after the first one in `?1..?2`.
    const fn times(self) -> &'static str {
        match self {
            Self::Commands => {
                "SELECT at_ms FROM commands WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT 1 OFFSET ?3"
            }
            Self::Offers => {
                "SELECT expires_at_ms FROM offers WHERE expires_at_ms >= ?1 AND expires_at_ms < ?2 \
                 ORDER BY expires_at_ms LIMIT 1 OFFSET ?3"
            }
            Self::Quotes => {
                "SELECT expires_at_ms FROM quotes WHERE expires_at_ms >= ?1 AND expires_at_ms < ?2 \
                 ORDER BY expires_at_ms LIMIT 1 OFFSET ?3"
            }
            Self::Details => {
                "SELECT ended_at_ms FROM rides WHERE ended_at_ms >= ?1 AND ended_at_ms < ?2 \
                 ORDER BY ended_at_ms LIMIT 1 OFFSET ?3"
            }
        }
    }

    /// Up to when it was removed already.
    fn done(self, sql: &impl Sql) -> Result<UtcMillis, SqlError> {
        let row = sql.first("SELECT before_ms FROM purges WHERE what = ?1", &[self.name().into()])?;
        row.map_or(Ok(UtcMillis::default()), |row| Ok(UtcMillis::new(row.int(0)?)))
    }

    /// The moment before which there are rows to remove, and at most `limit` of them and those of the same
    /// millisecond; none where there is none before `cutoff`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn bound(self, sql: &impl Sql, cutoff: UtcMillis, limit: u32) -> Result<Option<UtcMillis>, SqlError> {
        let done = self.done(sql)?;
        let nth = |n: u32| sql.first(self.times(), &[done.into(), cutoff.into(), n.into()]);
        if nth(0)?.is_none() {
            return Ok(None);
        }
        match nth(limit)? {
            Some(row) => Ok(Some(UtcMillis::new(row.int(0)?.saturating_add(1)))),
            None => Ok(Some(cutoff)),
        }
    }

    /// Removes the rows before a moment, inside the caller's transaction; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove(self, sql: &impl Sql, before: UtcMillis) -> Result<u64, SqlError> {
        let from_to: [Value; 2] = [self.done(sql)?.into(), before.into()];
        let rows = match self {
            Self::Commands => {
                sql.execute("DELETE FROM commands WHERE at_ms >= ?1 AND at_ms < ?2", &from_to)?
            }
            Self::Offers => sql.execute(
                "DELETE FROM offers WHERE expires_at_ms >= ?1 AND expires_at_ms < ?2 \
                 AND EXISTS (SELECT 1 FROM rides WHERE rides.id = ride_id AND ended_at_ms IS NOT NULL)",
                &from_to,
            )?,
            Self::Quotes => sql.execute(
                "DELETE FROM quotes WHERE expires_at_ms >= ?1 AND expires_at_ms < ?2 \
                 AND NOT EXISTS (SELECT 1 FROM rides WHERE quote_id = quotes.id)",
                &from_to,
            )?,
            Self::Details => {
                let mut rows = 0;
                for statement in [
                    "DELETE FROM ride_details WHERE ride_id IN \
                     (SELECT id FROM rides WHERE ended_at_ms >= ?1 AND ended_at_ms < ?2)",
                    "DELETE FROM quotes WHERE id IN \
                     (SELECT quote_id FROM rides WHERE ended_at_ms >= ?1 AND ended_at_ms < ?2)",
                    // Those that were kept because the ride was not over then.
                    "DELETE FROM offers WHERE ride_id IN \
                     (SELECT id FROM rides WHERE ended_at_ms >= ?1 AND ended_at_ms < ?2)",
                ] {
                    rows += sql.execute(statement, &from_to)?;
                }
                rows
            }
        };
        sql.execute(
            "INSERT INTO purges (what, before_ms) VALUES (?1, ?2) \
             ON CONFLICT (what) DO UPDATE SET before_ms = max(before_ms, excluded.before_ms)",
            &[self.name().into(), before.into()],
        )?;
        Ok(rows)
    }
}

/// Removes what is kept of a person, inside the caller's transaction. Details of rides that are not over stay until they are, and
/// quotes of rides for as long as rides are billed with them: their place cannot be read any more.
///
/// # Errors
/// When the database fails.
pub fn forget_person(sql: &impl Sql, account: AccountId) -> Result<(), SqlError> {
    for statement in [
        "DELETE FROM ride_details WHERE ride_id IN \
         (SELECT id FROM rides WHERE tutor_id = ?1 AND ended_at_ms IS NOT NULL)",
        "DELETE FROM quotes WHERE account_id = ?1 AND NOT EXISTS \
         (SELECT 1 FROM rides WHERE quote_id = quotes.id)",
        "DELETE FROM presence WHERE walker_id = ?1",
        "DELETE FROM commands WHERE actor = ?1",
        "DELETE FROM daily_counts WHERE account = ?1",
    ] {
        sql.execute(statement, &[Value::display(&account)])?;
    }
    Ok(())
}
