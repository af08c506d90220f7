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

/// Numbers the regions, from 1 to 4095; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionNumber(u16);

impl RegionNumber {
    /// No region in particular.
    pub const NONE: Self = Self(0);

    /// The region of that number; none above 4095.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < 1 << 12 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

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

            /// A fresh id of a thing that belongs to the region of that number. It stands in the 12 bits after the
            /// version (`rand_a` in RFC 9562, free for such use), so that whoever holds the id knows where to ask.
            /// Number 0 stands for no region in particular: those bits are random then.
            pub fn new_in(region: RegionNumber, moment: &mut Moment<'_>) -> Self {
                let mut random = moment.bytes::<10>();
                if region != RegionNumber::NONE {
                    random[..2].copy_from_slice(&region.get().to_be_bytes());
                }
                Self(uuid::Builder::from_unix_timestamp_millis(moment.now.unsigned(), &random).into_uuid())
            }

            /// What stands where the number of its region would, for ids made by `new_in`.
            #[must_use]
            pub fn region(&self) -> RegionNumber {
                let bytes = self.0.as_bytes();
                RegionNumber(u16::from_be_bytes([bytes[6] & 0x0f, bytes[7]]))
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
    use super::{RegionNumber, RideId};
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
    fn an_id_knows_its_region_and_is_ordered_all_the_same() {
        let mut entropy = SeededEntropy(2);
        let mut moment = Moment { now: UtcMillis::new(1_700_000_000_000), entropy: &mut entropy };
        for number in [1, 7, 4095] {
            let region = RegionNumber::new(number).expect("a number");
            let id = RideId::new_in(region, &mut moment);
            assert_eq!((id.region(), id.to_string().as_bytes()[14]), (region, b'7'));
            assert_eq!(id.to_string().parse::<RideId>().expect("an id").region(), region);
        }
        assert_eq!(RegionNumber::new(4096), None);
        let earlier = RideId::new_in(RegionNumber(4095), &mut moment);
        moment.now = UtcMillis::new(1_700_000_000_001);
        assert!(earlier < RideId::new_in(RegionNumber(1), &mut moment));
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
