//! The words that every component shares. Pure: time, randomness and ids arrive as arguments.

mod geo;
mod id;
mod money;
mod time;

pub use geo::{Cell, GeoPoint, PlaceError};
pub use id::{
    AccountId, EntryId, EventId, IdError, InvoiceId, MarkId, OfferId, OrderId, PaymentId, PetId, ProductId,
    QuoteId, RegionNumber, RideId, SessionId,
};
pub use money::{BasisPoints, Currency, Money, MoneyError};
pub use time::{Millis, UtcMillis};

/// Where fresh ids and random numbers come from.
pub trait Entropy {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A moment and a source of randomness: what a rule may not take from its surroundings.
pub struct Moment<'a> {
    /// Now.
    pub now: UtcMillis,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
}

impl Moment<'_> {
    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

/// Entropy that repeats itself, for tests.
#[derive(Clone, Debug)]
pub struct SeededEntropy(pub u64);

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        // SplitMix64 (Steele, Lea and Flood, 2014): enough for distinct ids in a test.
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
