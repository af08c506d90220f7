//! Typed ids, all of them UUIDv7 (RFC 9562): ordered by the moment they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Moment;

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057 was expected")]
pub struct IdError(String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id.
            pub fn new(moment: &mut Moment<'_>) -> Self {
                let random = moment.bytes::<10>();
                Self(uuid::Builder::from_unix_timestamp_millis(moment.now.unsigned(), &random).into_uuid())
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        // As text in every format: a reader of an event need not know how this program keeps an id.
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // One spelling only: an id is compared as text in the database.
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(id)),
                    _ => Err(IdError(text.chars().take(64).collect())),
                }
            }
        }
    )*};
}

ids! {
    /// A person's or partner's account.
    AccountId
    /// A log-in and the refreshes that follow it.
    SessionId
    /// A pet.
    PetId
    /// A quote.
    QuoteId
    /// A ride.
    RideId
    /// A mark on a route.
    MarkId
    /// An offer of a ride to one walker.
    OfferId
    /// An event.
    EventId
    /// An invoice.
    InvoiceId
    /// A payment.
    PaymentId
    /// A transfer in the ledger.
    EntryId
    /// A product.
    ProductId
    /// An order.
    OrderId
}

#[cfg(test)]
mod tests {
    use super::RideId;
    use crate::{Moment, SeededEntropy, UtcMillis};

    #[test]
    fn ids_are_ordered_by_time_and_read_back() {
        let mut entropy = SeededEntropy(1);
        let mut at = |ms| RideId::new(&mut Moment { now: UtcMillis::new(ms), entropy: &mut entropy });
        let (first, second) = (at(1_700_000_000_000), at(1_700_000_000_001));
        assert!(first < second);
        assert_eq!(first.to_string().parse(), Ok(first));
    }

    #[test]
    fn ids_are_text_in_binary_formats_too() {
        let id: RideId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("an id");
        let bytes = rmp_serde::to_vec(&id).expect("written");
        assert_eq!(rmp_serde::from_slice::<String>(&bytes).expect("text"), id.to_string());
        assert_eq!(rmp_serde::from_slice::<RideId>(&bytes).expect("an id"), id);
    }

    #[test]
    fn only_one_spelling_is_an_id() {
        for bad in ["", "x", "01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5dac96774bbcceb302099a8057"] {
            assert!(bad.parse::<RideId>().is_err(), "{bad}");
        }
    }
}
