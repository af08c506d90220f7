//! Removing what was kept long enough.
//!
//! What is removed stands in the region's events as bounds in time, so that the standbys remove the same rows at the same
//! event, and a restored file forgets what its owner had forgotten.

use petwalker_journal::Envelope;
use petwalker_kernel::{Millis, Moment, UtcMillis};
use petwalker_store::{NewEvent, REMEMBERED_FOR, Region, Sql, SqlError, forget_daily_counts, transaction};
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::sql::purge::Aged;

/// How long offers of rides that are over are kept.
const OFFERS_KEPT_FOR: Millis = Millis::from_mins(7 * 24 * 60);
/// How long quotes are kept that no ride uses.
const QUOTES_KEPT_FOR: Millis = Millis::from_mins(24 * 60);
/// Rows of a kind that one tick removes: writers wait meanwhile.
const ROWS_MAX: u32 = 500;

/// Rows that were removed, by kind.
pub type Rows = Vec<(&'static str, u64)>;

/// The facts of `region.purged`: rows from before these moments were removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Commands carried out before.
    #[serde(default)]
    pub commands_before: Option<UtcMillis>,
    /// Offers that ended before, of rides that are over.
    #[serde(default)]
    pub offers_before: Option<UtcMillis>,
    /// Quotes that ended before and that no ride uses.
    #[serde(default)]
    pub quotes_before: Option<UtcMillis>,
    /// Details, and quotes, of rides that were over before.
    #[serde(default)]
    pub details_before: Option<UtcMillis>,
}

impl Purged {
    /// The type's name in the envelope.
    pub const TYPE: &'static str = "region.purged";
    /// Version of the facts' schema.
    pub const SCHEMA: u32 = 1;

    const fn bound(&self, aged: Aged) -> Option<UtcMillis> {
        match aged {
            Aged::Commands => self.commands_before,
            Aged::Offers => self.offers_before,
            Aged::Quotes => self.quotes_before,
            Aged::Details => self.details_before,
        }
    }

    fn due(sql: &impl Sql, now: UtcMillis, details_kept_for: Millis) -> Result<Self, SqlError> {
        // Whole hours: what comes of age is removed together, with few events.
        let bound = |aged: Aged, kept_for: Millis| aged.bound(sql, now.minus(kept_for).hour(), ROWS_MAX);
        Ok(Self {
            commands_before: bound(Aged::Commands, REMEMBERED_FOR)?,
            offers_before: bound(Aged::Offers, OFFERS_KEPT_FOR)?,
            quotes_before: bound(Aged::Quotes, QUOTES_KEPT_FOR)?,
            details_before: bound(Aged::Details, details_kept_for)?,
        })
    }

    fn apply(&self, sql: &impl Sql) -> Result<Rows, SqlError> {
        let mut rows = Rows::new();
        for aged in Aged::ALL {
            if let Some(before) = self.bound(aged) {
                rows.push((aged.name(), aged.remove(sql, before)?));
            }
        }
        Ok(rows)
    }

    /// Removes what an event says was removed, inside the caller's transaction. Events of other types remove nothing.
    ///
    /// # Errors
    /// When the event is damaged or the database fails.
    pub fn apply_event(sql: &impl Sql, envelope: &Envelope) -> Result<(), Refusal> {
        if envelope.event_type == Self::TYPE {
            let facts: Self = envelope.facts().map_err(|e| SqlError::Stored(e.to_string()))?;
            facts.apply(sql)?;
        }
        Ok(())
    }
}

/// Removes what was kept long enough, with an event that says so, and counts of past days, which the region's owner alone
/// has; how many rows of what. Only reads where there is nothing to remove.
///
/// # Errors
/// When the database fails.
pub fn purge(sql: &impl Sql, moment: &mut Moment<'_>, details_kept_for: Millis) -> Result<Rows, Refusal> {
    let counts = forget_daily_counts(sql, moment.now, ROWS_MAX)?;
    let mut rows = purge_replicated(sql, moment, details_kept_for)?;
    if counts > 0 {
        rows.push(("daily_counts", counts));
    }
    Ok(rows)
}

/// What the standbys remove, too, in one transaction with its event.
fn purge_replicated(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    details_kept_for: Millis,
) -> Result<Rows, Refusal> {
    if Purged::due(sql, moment.now, details_kept_for)? == Purged::default() {
        return Ok(Rows::new());
    }
    transaction(sql, |sql| {
        // Read again: now nobody else writes.
        let facts = Purged::due(sql, moment.now, details_kept_for)?;
        let region = Region::read(sql)?;
        let event = NewEvent {
            event_type: Purged::TYPE,
            stream_id: format!("region/{}", region.name),
            version: 1,
            schema: Purged::SCHEMA,
            facts: &facts,
            command: None,
        };
        petwalker_store::append(sql, &region, moment, event)?;
        Ok(facts.apply(sql)?)
    })
}
