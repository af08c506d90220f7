//! `quote.promised`: a quote in the region's events, so that another edge holds to it.

use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, Money, QuoteId, UtcMillis};
use petwalker_seal::{NONCE_BYTES, SealKey};
use petwalker_store::{OwnersEvent, Sql, SqlError, remember};
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::sql::{self, Quote};

/// The facts of `quote.promised`. Where the pets are is somebody's home, so the quote itself is sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promised {
    /// The quote.
    pub quote_id: QuoteId,
    /// For whom.
    pub account_id: AccountId,
    /// What was promised.
    pub total: Money,
    /// Until when.
    pub expires_at: UtcMillis,
    /// All of it, for holders of the account's key.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

impl Promised {
    /// The type's name in the envelope.
    pub const TYPE: &'static str = "quote.promised";
    /// Version of the facts' schema.
    pub const SCHEMA: u32 = 1;

    pub(super) fn of(quote: &Quote, key: &SealKey, nonce: [u8; NONCE_BYTES]) -> Result<Self, SqlError> {
        let plain = rmp_serde::to_vec_named(quote).map_err(|e| SqlError::Stored(e.to_string()))?;
        Ok(Self {
            quote_id: quote.id,
            account_id: quote.account_id,
            total: quote.total,
            expires_at: quote.expires_at,
            sealed: key.seal(nonce, &context(quote.id), &plain),
        })
    }

    fn quote(&self, key: &SealKey) -> Result<Quote, SqlError> {
        let id = self.quote_id;
        let stored = |e: &dyn std::error::Error| SqlError::Stored(format!("quote {id}: {e}"));
        let plain = key.open(&context(id), &self.sealed).map_err(|e| stored(&e))?;
        rmp_serde::from_slice(&plain).map_err(|e| stored(&e))
    }
}

fn context(id: QuoteId) -> String {
    format!("quote/{id}")
}

/// Takes over events and makes the rows of quotes, in one transaction; the sequence number of the last event there is then.
///
/// # Errors
/// When an event was not written after the last one here, or the database fails.
pub fn take_over(sql: &impl Sql, events: Vec<OwnersEvent>) -> Result<u64, Refusal> {
    petwalker_store::take_over(sql, events, |sql, envelope, key| Ok(make_rows(sql, envelope, key)?))
}

fn make_rows(sql: &impl Sql, envelope: &Envelope, key: Option<&SealKey>) -> Result<(), SqlError> {
    let Some(key) = key.filter(|_| envelope.event_type == Promised::TYPE) else { return Ok(()) };
    let promised: Promised = envelope.facts().map_err(|e| SqlError::Stored(e.to_string()))?;
    let quote = promised.quote(key)?;
    sql::insert_quote(sql, &quote, key)?;
    match &envelope.command {
        // What an owner keeps of the outcome.
        Some(mark) => remember(sql, mark, &quote.id, envelope.at_ms),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Promised;

    /// What these bytes say is what was written when there was schema 1.
    #[test]
    fn the_facts_of_old_events_are_read() {
        let facts = Promised {
            quote_id: "0197b9a1-7c00-7000-8000-000000000001".parse().expect("an id"),
            account_id: "0197b9a1-7c00-7000-8000-000000000002".parse().expect("an id"),
            total: petwalker_kernel::Money::new(4_050, "BRL".parse().expect("a currency")),
            expires_at: petwalker_kernel::UtcMillis::new(1_780_000_000_000),
            sealed: vec![1, 2, 3],
        };
        let golden = include_str!("../../golden/quote.promised-1.hex").trim();
        let bytes: Vec<u8> = (0..golden.len() / 2)
            .map(|i| u8::from_str_radix(&golden[2 * i..2 * i + 2], 16).expect("hexadecimal"))
            .collect();
        assert_eq!(rmp_serde::to_vec_named(&facts).expect("written"), bytes);
        assert_eq!(rmp_serde::from_slice::<Promised>(&bytes).expect("read"), facts);
    }
}
