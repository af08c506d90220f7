//! What can happen to a ride, and how it is written.
//!
//! Facts carry ids and figures, never personal data. Each type has a schema number and bytes in `golden/` that must
//! decode for ever.

use petwalker_journal::{Envelope, JournalError};
use petwalker_kernel::{AccountId, Money, OfferId, QuoteId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::order::{Commitment, RideOrder, Role, Walked};

/// An offer to one walker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its id.
    pub id: OfferId,
    /// To whom.
    pub walker_id: AccountId,
    /// Metres from the walker to the pickup.
    pub distance_m: u32,
}

/// How a walk ended, with what an invoice needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When.
    pub at: UtcMillis,
    /// What was measured.
    pub walked: Walked,
    /// The promise of the price.
    pub quote_id: QuoteId,
    /// Who pays.
    pub tutor_id: AccountId,
    /// Who walked.
    pub walker_id: Option<AccountId>,
    /// From start to end, milliseconds.
    pub elapsed_ms: u64,
}

/// Something that happened to a ride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RideEvent {
    /// It was asked for.
    Requested {
        /// The facts it starts with.
        order: RideOrder,
        /// When its first wave is due.
        dispatch_at: UtcMillis,
        /// Pickup, notes and PIN, which only holders of the tutor's key can read; none in what was written before there
        /// were keys.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
        sealed: Option<Vec<u8>>,
    },
    /// A wave of offers was made; what was open of the wave before has ended.
    Offered {
        /// Counts the waves, from 1.
        wave: u32,
        /// When it ends.
        until: UtcMillis,
        /// To whom.
        offers: Vec<Offered>,
    },
    /// A walker let an offer pass.
    OfferDeclined {
        /// Who.
        walker_id: AccountId,
        /// When.
        at: UtcMillis,
    },
    /// A walker took it.
    Accepted(Commitment),
    /// The walker is at the pickup.
    Arrived {
        /// When.
        at: UtcMillis,
    },
    /// The walk began.
    Started {
        /// When.
        at: UtcMillis,
    },
    /// It rests.
    Paused {
        /// When.
        at: UtcMillis,
    },
    /// It goes on.
    Resumed {
        /// When.
        at: UtcMillis,
    },
    /// It is done.
    Completed(Settled),
    /// It was cut short.
    Interrupted(Settled),
    /// It was called off.
    Cancelled {
        /// By whom.
        by: Role,
        /// When.
        at: UtcMillis,
        /// What it costs the tutor.
        fee: Money,
        /// The promise of the price.
        quote_id: QuoteId,
        /// Who pays.
        tutor_id: AccountId,
        /// Who would have come.
        walker_id: Option<AccountId>,
    },
    /// The walker called off; another is looked for.
    WalkerWithdrew {
        /// Who.
        walker_id: AccountId,
        /// When.
        at: UtcMillis,
    },
    /// Nobody took it.
    Expired {
        /// When it was given up.
        at: UtcMillis,
    },
    /// The tutor was not there.
    NoShow {
        /// When the walker left.
        at: UtcMillis,
        /// What it costs the tutor.
        fee: Money,
        /// The promise of the price.
        quote_id: QuoteId,
        /// Who pays.
        tutor_id: AccountId,
        /// Who came in vain.
        walker_id: AccountId,
    },
    /// Another PIN takes the place of the one there was.
    PinRenewed {
        /// By whom.
        by: Role,
        /// Whose ride, and whose key opens what is sealed.
        tutor_id: AccountId,
        /// When.
        at: UtcMillis,
        /// The PIN, which only holders of the tutor's key can read; none where that was erased.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
        sealed: Option<Vec<u8>>,
    },
}

/// A record that is not of a ride, or not of a known type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownEvent {
    /// The type is not one of ours.
    #[error("'{0}' is not an event of a ride")]
    Type(String),
    /// The facts are not of the type's shape.
    #[error(transparent)]
    Facts(#[from] JournalError),
}

impl RideEvent {
    /// Every type name, in the order of a ride's life.
    pub const TYPES: [&'static str; 15] = [
        "ride.requested",
        "ride.offered",
        "ride.offer-declined",
        "ride.accepted",
        "ride.arrived",
        "ride.started",
        "ride.paused",
        "ride.resumed",
        "ride.completed",
        "ride.interrupted",
        "ride.cancelled",
        "ride.walker-withdrew",
        "ride.expired",
        "ride.no-show",
        "ride.pin-renewed",
    ];

    /// The schema number of the facts.
    pub const SCHEMA: u32 = 1;

    /// The type's name in the envelope.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Requested { .. } => Self::TYPES[0],
            Self::Offered { .. } => Self::TYPES[1],
            Self::OfferDeclined { .. } => Self::TYPES[2],
            Self::Accepted(_) => Self::TYPES[3],
            Self::Arrived { .. } => Self::TYPES[4],
            Self::Started { .. } => Self::TYPES[5],
            Self::Paused { .. } => Self::TYPES[6],
            Self::Resumed { .. } => Self::TYPES[7],
            Self::Completed(_) => Self::TYPES[8],
            Self::Interrupted(_) => Self::TYPES[9],
            Self::Cancelled { .. } => Self::TYPES[10],
            Self::WalkerWithdrew { .. } => Self::TYPES[11],
            Self::Expired { .. } => Self::TYPES[12],
            Self::NoShow { .. } => Self::TYPES[13],
            Self::PinRenewed { .. } => Self::TYPES[14],
        }
    }

    /// Reads the event of an envelope.
    ///
    /// # Errors
    /// When its type is not a ride's, or its facts are not of the type's shape.
    pub fn read(envelope: &Envelope) -> Result<Self, UnknownEvent> {
        #[derive(Deserialize)]
        struct At {
            at: UtcMillis,
        }
        #[derive(Deserialize)]
        struct WhoAt {
            walker_id: AccountId,
            at: UtcMillis,
        }
        #[derive(Deserialize)]
        struct Requested {
            order: RideOrder,
            dispatch_at: UtcMillis,
            #[serde(default, with = "serde_bytes")]
            sealed: Option<Vec<u8>>,
        }
        #[derive(Deserialize)]
        struct OfferedWave {
            wave: u32,
            until: UtcMillis,
            offers: Vec<Offered>,
        }
        #[derive(Deserialize)]
        struct Cancelled {
            by: Role,
            at: UtcMillis,
            fee: Money,
            quote_id: QuoteId,
            tutor_id: AccountId,
            walker_id: Option<AccountId>,
        }
        #[derive(Deserialize)]
        struct NoShow {
            at: UtcMillis,
            fee: Money,
            quote_id: QuoteId,
            tutor_id: AccountId,
            walker_id: AccountId,
        }
        #[derive(Deserialize)]
        struct PinRenewed {
            by: Role,
            tutor_id: AccountId,
            at: UtcMillis,
            #[serde(default, with = "serde_bytes")]
            sealed: Option<Vec<u8>>,
        }
        let at = || envelope.facts::<At>().map(|f| f.at);
        Ok(match envelope.event_type.as_str() {
            "ride.requested" => {
                let Requested { order, dispatch_at, sealed } = envelope.facts()?;
                Self::Requested { order, dispatch_at, sealed }
            }
            "ride.offered" => {
                let OfferedWave { wave, until, offers } = envelope.facts()?;
                Self::Offered { wave, until, offers }
            }
            "ride.offer-declined" => {
                let WhoAt { walker_id, at } = envelope.facts()?;
                Self::OfferDeclined { walker_id, at }
            }
            "ride.accepted" => Self::Accepted(envelope.facts()?),
            "ride.arrived" => Self::Arrived { at: at()? },
            "ride.started" => Self::Started { at: at()? },
            "ride.paused" => Self::Paused { at: at()? },
            "ride.resumed" => Self::Resumed { at: at()? },
            "ride.completed" => Self::Completed(envelope.facts()?),
            "ride.interrupted" => Self::Interrupted(envelope.facts()?),
            "ride.cancelled" => {
                let Cancelled { by, at, fee, quote_id, tutor_id, walker_id } = envelope.facts()?;
                Self::Cancelled { by, at, fee, quote_id, tutor_id, walker_id }
            }
            "ride.walker-withdrew" => {
                let WhoAt { walker_id, at } = envelope.facts()?;
                Self::WalkerWithdrew { walker_id, at }
            }
            "ride.expired" => Self::Expired { at: at()? },
            "ride.no-show" => {
                let NoShow { at, fee, quote_id, tutor_id, walker_id } = envelope.facts()?;
                Self::NoShow { at, fee, quote_id, tutor_id, walker_id }
            }
            "ride.pin-renewed" => {
                let PinRenewed { by, tutor_id, at, sealed } = envelope.facts()?;
                Self::PinRenewed { by, tutor_id, at, sealed }
            }
            other => return Err(UnknownEvent::Type(other.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests;
