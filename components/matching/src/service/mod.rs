//! What a caller can do with rides and walkers: rules and statements together, over any [`Sql`](petwalker_store::Sql).

mod act;
mod forget;
mod presence;
mod project;
mod purge;
mod read;
mod request;
mod take_over;
mod tick;

use petwalker_kernel::{AccountId, GeoPoint};
use petwalker_store::{CommandError, SqlError};
use serde::{Deserialize, Serialize};

use crate::domain::{Rejection, Ride, Role};

pub use crate::sql::rides::Status;
pub use act::{Action, Terms, act};
pub use forget::{Erased, erased_up_to, forget};
pub use presence::{NearbyWalker, PRESENCE_LASTS, appear, demand_around, leave, nearest};
pub use project::{project, replay};
pub use read::{OfferView, events_after, get, list, offer_of, offers, statuses};
pub use request::{OPEN_RIDES_MAX, Request, request};
pub use take_over::take_over;
pub use tick::{TickReport, tick};

#[cfg(test)]
mod tests;

/// An authenticated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub account: AccountId,
    /// As what.
    pub role: Role,
}

/// A ride with what the caller may see of its details.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RideView {
    /// The ride.
    pub ride: Ride,
    /// Where the pets are fetched.
    pub pickup: Option<GeoPoint>,
    /// For the walker.
    pub notes: Option<String>,
    /// For the tutor.
    pub pin: Option<String>,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// No such ride, or not the caller's.
    #[error("there is no such ride, or it is not yours")]
    NotFound,
    /// The role may not do this.
    #[error("your role may not do this")]
    Forbidden,
    /// The rules of rides say no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Another walker was first.
    #[error("another walker took the ride")]
    AlreadyTaken,
    /// The offer has ended.
    #[error("the offer has ended")]
    OfferExpired,
    /// The PIN is wrong.
    #[error("the PIN is not the ride's")]
    WrongPin,
    /// The PIN was wrong too often.
    #[error("the PIN was wrong too often; the tutor or an operator must set a new one")]
    TooManyAttempts,
    /// The walker would have more pets at one time than there is room for.
    #[error(
        "you would have {pets} pets at one time and walk at most {capacity}; end or cancel another ride first"
    )]
    NoCapacity {
        /// How many it would be.
        pets: u32,
        /// How many there may be.
        capacity: u32,
    },
    /// A pet is on another ride at that time.
    #[error("pet {0} is on another ride at that time; cancel that one, or choose another time")]
    PetBusy(String),
    /// The tutor has as many open rides as there may be.
    #[error(
        "you have {OPEN_RIDES_MAX} rides that are not over, which is the most; cancel one, or wait for its end"
    )]
    TooManyRides,
    /// The quote has ended.
    #[error("the quote has ended; ask for a new one")]
    QuoteExpired,
    /// The quote was used.
    #[error("a ride was already requested with this quote")]
    QuoteUsed,
    /// The ride changed since the caller read it.
    #[error("the ride is at version {0}; read it again")]
    StaleVersion(u32),
    /// The command id was used for something else, or is none.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Command(CommandError::Sql(error))
    }
}

/// An input that is out of its range.
pub(crate) fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid { field, message: message.into() })
}
