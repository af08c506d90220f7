//! Forgetting people who were erased.
//!
//! The region's events say who was forgotten, so that the standbys forget them at the same event. How far this region is in the
//! list of erasures is kept with what it changes.

use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, Moment};
use petwalker_store::{NewEvent, Region, Sql, SqlError, get_offset, transaction};
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::sql::purge::forget_person;

/// Under which name, and of what, it is kept how far this region is.
const CONSUMER: &str = "matching";
const STREAM: &str = "erasures";

/// The facts of `person.erased`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Counts the erasures of the service.
    pub seq: u64,
    /// Who.
    pub account_id: AccountId,
}

impl Erased {
    /// The type's name in the envelope.
    pub const TYPE: &'static str = "person.erased";
    /// Version of the facts' schema.
    pub const SCHEMA: u32 = 1;

    /// Forgets whom an event says was erased, inside the caller's transaction. Events of other types forget nobody.
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

    fn apply(&self, sql: &impl Sql) -> Result<(), SqlError> {
        forget_person(sql, self.account_id)?;
        sql.execute(
            "INSERT INTO consumer_offsets (consumer, stream, seq) VALUES (?1, ?2, ?3) \
             ON CONFLICT (consumer, stream) DO UPDATE SET seq = max(seq, excluded.seq)",
            &[CONSUMER.into(), STREAM.into(), i64::try_from(self.seq).unwrap_or(i64::MAX).into()],
        )?;
        Ok(())
    }
}

/// The last erasure that this region has followed, 0 for none.
///
/// # Errors
/// When the database fails.
pub fn erased_up_to(sql: &impl Sql) -> Result<u64, Refusal> {
    Ok(get_offset(sql, CONSUMER, STREAM)?)
}

/// Forgets somebody who was erased: details, unused quotes, place and commands. Details of a ride that is not over go with those
/// of other rides, some time after its end.
/// What was followed before changes nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(sql: &impl Sql, moment: &mut Moment<'_>, erased: &Erased) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        if get_offset(sql, CONSUMER, STREAM)? >= erased.seq {
            return Ok(());
        }
        let region = Region::read(sql)?;
        let event = NewEvent {
            event_type: Erased::TYPE,
            stream_id: format!("person/{}", erased.account_id),
            version: 1,
            schema: Erased::SCHEMA,
            facts: erased,
            command: None,
        };
        petwalker_store::append(sql, &region, moment, event)?;
        Ok(erased.apply(sql)?)
    })
}
