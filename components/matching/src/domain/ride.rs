//! The ride as a state machine.
//!
//! A command is judged against the state and gives an event; the state after it is the state before with the event
//! applied. What a state needs is inside it, so a ride that was never started has no distance.

use petwalker_kernel::{AccountId, BasisPoints, Millis, Money, UtcMillis};
use serde::{Deserialize, Serialize};

use super::dispatch::WAVES_MAX;
use super::event::{Offered, RideEvent};
use super::fee::fee_bp;
use super::order::{Commitment, Ended, RideOrder, Role, Walked};
use super::pickup::NotSeen;

/// Where a ride stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting until `dispatch_at` for its next wave of offers.
    Requested {
        /// Waves made so far.
        waves: u32,
        /// When the next is due.
        dispatch_at: UtcMillis,
    },
    /// Offered to walkers until `until`.
    Offered {
        /// Waves made so far.
        waves: u32,
        /// When the wave ends.
        until: UtcMillis,
    },
    /// A walker will come.
    Accepted(Commitment),
    /// The walker is at the pickup.
    Arrived {
        /// Who.
        by: Commitment,
        /// Since when.
        at: UtcMillis,
    },
    /// Under way.
    Started {
        /// Who walks.
        by: Commitment,
        /// Since when.
        at: UtcMillis,
    },
    /// Under way, resting.
    Paused {
        /// Who walks.
        by: Commitment,
        /// When the walk started.
        started_at: UtcMillis,
        /// Since when it rests.
        at: UtcMillis,
    },
    /// Done.
    Completed(Ended),
    /// Ended early.
    Interrupted(Ended),
    /// Called off.
    Cancelled {
        /// By whom.
        by: Role,
        /// When.
        at: UtcMillis,
        /// What it costs the tutor.
        fee: Money,
        /// Who would have come.
        walker: Option<Commitment>,
    },
    /// Nobody accepted.
    Expired {
        /// When it was given up.
        at: UtcMillis,
    },
    /// The tutor was not there.
    NoShow {
        /// Who came in vain.
        by: Commitment,
        /// When the walker left.
        at: UtcMillis,
        /// What it costs the tutor.
        fee: Money,
    },
}

impl State {
    /// The state's name, as the database and the API write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Offered { .. } => "offered",
            Self::Accepted(_) => "accepted",
            Self::Arrived { .. } => "arrived",
            Self::Started { .. } => "started",
            Self::Paused { .. } => "paused",
            Self::Completed(_) => "completed",
            Self::Interrupted(_) => "interrupted",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
            Self::NoShow { .. } => "no_show",
        }
    }
}

/// A ride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ride {
    /// What it started with.
    pub order: RideOrder,
    /// Counts the events, from 1.
    pub version: u32,
    /// Where it stands.
    pub state: State,
    /// Walkers it is not offered to again: they declined, let an offer pass, or called off.
    pub passed_over: Vec<AccountId>,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The state does not allow it.
    #[error("a ride that is {state} cannot be {action}")]
    Illegal {
        /// The state's name.
        state: &'static str,
        /// What was tried, as in "cannot be started".
        action: &'static str,
    },
    /// The ride belongs to another walker.
    #[error("the ride is another walker's")]
    NotYours,
    /// The walker must wait before giving up.
    #[error("the tutor has {0} s left to appear")]
    TooEarly(i64),
    /// Times or amounts out of range.
    #[error("the fee cannot be worked out")]
    Fee,
    /// The PIN was wrong too often: the tutor may be there and cannot let the walk start.
    #[error("the PIN is locked: the tutor or an operator must set a new one first")]
    PinLocked,
    /// The walker was not seen at the pickup.
    #[error(transparent)]
    NotSeen(#[from] NotSeen),
}

/// How long a walker waits at the pickup before giving up.
const NO_SHOW_AFTER: Millis = Millis::from_mins(10);

impl Ride {
    /// The ride that a request makes.
    #[must_use]
    pub fn requested(order: RideOrder, dispatch_at: UtcMillis) -> Self {
        Self { order, version: 1, state: State::Requested { waves: 0, dispatch_at }, passed_over: Vec::new() }
    }

    fn illegal<T>(&self, action: &'static str) -> Result<T, Rejection> {
        Err(Rejection::Illegal { state: self.state.name(), action })
    }

    /// The walker who is committed to the ride, now or at its end.
    #[must_use]
    pub const fn commitment(&self) -> Option<&Commitment> {
        match &self.state {
            State::Accepted(by)
            | State::Arrived { by, .. }
            | State::Started { by, .. }
            | State::Paused { by, .. }
            | State::NoShow { by, .. } => Some(by),
            State::Completed(ended) | State::Interrupted(ended) => Some(&ended.by),
            State::Cancelled { walker, .. } => walker.as_ref(),
            State::Requested { .. } | State::Offered { .. } | State::Expired { .. } => None,
        }
    }

    /// When something happens by itself; none where nothing does.
    #[must_use]
    pub const fn due_at(&self) -> Option<UtcMillis> {
        match self.state {
            State::Requested { dispatch_at, .. } => Some(dispatch_at),
            State::Offered { until, .. } => Some(until),
            _ => None,
        }
    }

    /// When it was over; none while it is not.
    #[must_use]
    pub const fn ended_at(&self) -> Option<UtcMillis> {
        match &self.state {
            State::Completed(ended) | State::Interrupted(ended) => Some(ended.ended_at),
            State::Cancelled { at, .. } | State::Expired { at } | State::NoShow { at, .. } => Some(*at),
            _ => None,
        }
    }

    fn mine(&self, by: &Commitment, walker: AccountId) -> Result<(), Rejection> {
        if by.walker_id == walker { Ok(()) } else { Err(Rejection::NotYours) }
    }

    /// Nobody can be found for it any more, whatever waves are left.
    ///
    /// # Errors
    /// When it does not wait for a walker.
    pub fn give_up(&self, now: UtcMillis) -> Result<RideEvent, Rejection> {
        match self.state {
            State::Requested { .. } | State::Offered { .. } => Ok(RideEvent::Expired { at: now }),
            _ => self.illegal("given up"),
        }
    }

    /// The next wave of offers, or that there is none left. `exhausted`: nobody has an open offer any more, so the wave
    /// need not be waited out.
    ///
    /// # Errors
    /// When the ride waits for no wave, or not yet.
    pub fn dispatch(
        &self,
        offers: Vec<Offered>,
        until: UtcMillis,
        now: UtcMillis,
        exhausted: bool,
    ) -> Result<RideEvent, Rejection> {
        let (waves, due) = match self.state {
            State::Requested { waves, dispatch_at } => (waves, dispatch_at),
            State::Offered { waves, until } => (waves, until),
            _ => return self.illegal("offered"),
        };
        if now < due && !exhausted {
            return self.illegal("offered again yet");
        }
        if waves >= WAVES_MAX {
            return Ok(RideEvent::Expired { at: now });
        }
        Ok(RideEvent::Offered { wave: waves + 1, until, offers })
    }

    /// A walker takes an open offer.
    ///
    /// # Errors
    /// When the ride is not on offer.
    pub fn accept(&self, by: Commitment) -> Result<RideEvent, Rejection> {
        match self.state {
            State::Offered { .. } => Ok(RideEvent::Accepted(by)),
            _ => self.illegal("accepted"),
        }
    }

    /// A walker lets an open offer pass.
    ///
    /// # Errors
    /// When the ride is not on offer.
    pub fn decline(&self, walker_id: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match self.state {
            State::Offered { .. } => Ok(RideEvent::OfferDeclined { walker_id, at }),
            _ => self.illegal("declined"),
        }
    }

    /// The walker is at the pickup.
    ///
    /// # Errors
    /// When the ride is not accepted, or by somebody else.
    pub fn arrive(&self, walker: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Accepted(by) => self.mine(by, walker).map(|()| RideEvent::Arrived { at }),
            _ => self.illegal("arrived at"),
        }
    }

    /// The walk starts; the PIN was checked.
    ///
    /// # Errors
    /// When the walker is not at the pickup.
    pub fn start(&self, walker: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Arrived { by, .. } => self.mine(by, walker).map(|()| RideEvent::Started { at }),
            _ => self.illegal("started"),
        }
    }

    /// The walk rests.
    ///
    /// # Errors
    /// When it is not under way.
    pub fn pause(&self, walker: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Started { by, .. } => self.mine(by, walker).map(|()| RideEvent::Paused { at }),
            _ => self.illegal("paused"),
        }
    }

    /// The walk goes on.
    ///
    /// # Errors
    /// When it does not rest.
    pub fn resume(&self, walker: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Paused { by, .. } => self.mine(by, walker).map(|()| RideEvent::Resumed { at }),
            _ => self.illegal("resumed"),
        }
    }

    /// The walk is done.
    ///
    /// # Errors
    /// When it is not under way.
    pub fn complete(&self, walker: AccountId, walked: Walked, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Started { by, .. } | State::Paused { by, .. } => self.mine(by, walker)?,
            _ => return self.illegal("completed"),
        }
        Ok(RideEvent::Completed(self.settled(walked, at)))
    }

    /// An incident ends the walk.
    ///
    /// # Errors
    /// When it is not under way.
    pub fn interrupt(
        &self,
        walker: Option<AccountId>,
        walked: Walked,
        at: UtcMillis,
    ) -> Result<RideEvent, Rejection> {
        match (&self.state, walker) {
            (State::Started { by, .. } | State::Paused { by, .. }, Some(walker)) => self.mine(by, walker)?,
            (State::Started { .. } | State::Paused { .. }, None) => {}
            _ => return self.illegal("interrupted"),
        }
        Ok(RideEvent::Interrupted(self.settled(walked, at)))
    }

    fn settled(&self, walked: Walked, at: UtcMillis) -> super::event::Settled {
        let started_at = match self.state {
            State::Started { at, .. } => at,
            State::Paused { started_at, .. } => started_at,
            _ => at,
        };
        super::event::Settled {
            at,
            walked,
            quote_id: self.order.quote_id,
            tutor_id: self.order.tutor_id,
            walker_id: self.commitment().map(|by| by.walker_id),
            elapsed_ms: at.since(started_at).unsigned(),
        }
    }

    /// Tutor or operator sets another PIN, which is sealed already.
    ///
    /// # Errors
    /// When the walk has started, or the ride is over.
    pub fn renew_pin(
        &self,
        by: Role,
        at: UtcMillis,
        sealed: Option<Vec<u8>>,
    ) -> Result<RideEvent, Rejection> {
        match self.state {
            State::Requested { .. } | State::Offered { .. } | State::Accepted(_) | State::Arrived { .. } => {
                Ok(RideEvent::PinRenewed { by, tutor_id: self.order.tutor_id, at, sealed })
            }
            _ => self.illegal("given a new PIN"),
        }
    }

    /// Tutor or operator calls the ride off. While the PIN is locked that costs nothing: no walk could start.
    ///
    /// # Errors
    /// When it is under way or over.
    pub fn cancel(&self, role: Role, at: UtcMillis, pin_locked: bool) -> Result<RideEvent, Rejection> {
        let arrived = match &self.state {
            State::Requested { .. } | State::Offered { .. } | State::Accepted(_) => false,
            State::Arrived { .. } => true,
            _ => return self.illegal("cancelled"),
        };
        let share = match (role, self.commitment()) {
            (Role::Tutor, Some(by)) if !pin_locked => {
                fee_bp(self.order.policy, by, self.order.starts_at(), arrived, at)
                    .map_err(|_| Rejection::Fee)?
            }
            _ => BasisPoints(0),
        };
        Ok(RideEvent::Cancelled {
            by: role,
            at,
            fee: self.order.price.share(share).map_err(|_| Rejection::Fee)?,
            quote_id: self.order.quote_id,
            tutor_id: self.order.tutor_id,
            walker_id: self.commitment().map(|by| by.walker_id),
        })
    }

    /// The walker calls off, and another is looked for.
    ///
    /// # Errors
    /// When the walk is under way, or the ride is another's.
    pub fn withdraw(&self, walker: AccountId, at: UtcMillis) -> Result<RideEvent, Rejection> {
        match &self.state {
            State::Accepted(by) | State::Arrived { by, .. } => {
                self.mine(by, walker)?;
                Ok(RideEvent::WalkerWithdrew { walker_id: walker, at })
            }
            _ => self.illegal("cancelled"),
        }
    }

    /// The walker waited and the tutor was not there.
    ///
    /// # Errors
    /// When the walker is not at the pickup, or has not waited for long enough, or the PIN is locked.
    pub fn no_show(
        &self,
        walker: AccountId,
        now: UtcMillis,
        pin_locked: bool,
    ) -> Result<RideEvent, Rejection> {
        let State::Arrived { by, at } = &self.state else { return self.illegal("given up") };
        self.mine(by, walker)?;
        if pin_locked {
            return Err(Rejection::PinLocked);
        }
        let from = (*at).max(self.order.starts_at()).plus(NO_SHOW_AFTER);
        if now < from {
            return Err(Rejection::TooEarly(from.since(now).get() / 1000 + 1));
        }
        let fee = self.order.price.share(self.order.policy.arrived).map_err(|_| Rejection::Fee)?;
        Ok(RideEvent::NoShow {
            at: now,
            fee,
            quote_id: self.order.quote_id,
            tutor_id: self.order.tutor_id,
            walker_id: walker,
        })
    }

    /// The ride after an event. Events come from the commands above or from the log they were written to.
    ///
    /// # Errors
    /// When the event cannot have happened to a ride in this state.
    pub fn apply(self, event: &RideEvent) -> Result<Self, Rejection> {
        let Self { order, version, state, mut passed_over } = self;
        let impossible = Rejection::Illegal { state: state.name(), action: event.event_type() };
        let state = match (state, event) {
            (State::Requested { .. } | State::Offered { .. }, RideEvent::Offered { wave, until, offers }) => {
                passed_over.extend(offers.iter().map(|o| o.walker_id));
                State::Offered { waves: *wave, until: *until }
            }
            (State::Requested { .. } | State::Offered { .. }, RideEvent::Expired { at }) => {
                State::Expired { at: *at }
            }
            (state @ State::Offered { .. }, RideEvent::OfferDeclined { .. }) => state,
            (State::Offered { .. }, RideEvent::Accepted(by)) => State::Accepted(by.clone()),
            (State::Accepted(by), RideEvent::Arrived { at }) => State::Arrived { by, at: *at },
            (State::Arrived { by, .. }, RideEvent::Started { at }) => State::Started { by, at: *at },
            (State::Started { by, at: started_at }, RideEvent::Paused { at }) => {
                State::Paused { by, started_at, at: *at }
            }
            (State::Paused { by, started_at, .. }, RideEvent::Resumed { .. }) => {
                State::Started { by, at: started_at }
            }
            (
                State::Started { by, at: started_at } | State::Paused { by, started_at, .. },
                RideEvent::Completed(end),
            ) => State::Completed(Ended { by, started_at, ended_at: end.at, walked: end.walked }),
            (
                State::Started { by, at: started_at } | State::Paused { by, started_at, .. },
                RideEvent::Interrupted(end),
            ) => State::Interrupted(Ended { by, started_at, ended_at: end.at, walked: end.walked }),
            (State::Requested { .. } | State::Offered { .. }, RideEvent::Cancelled { by, at, fee, .. }) => {
                State::Cancelled { by: *by, at: *at, fee: *fee, walker: None }
            }
            (
                State::Accepted(walker) | State::Arrived { by: walker, .. },
                RideEvent::Cancelled { by, at, fee, .. },
            ) => State::Cancelled { by: *by, at: *at, fee: *fee, walker: Some(walker) },
            (State::Accepted(_) | State::Arrived { .. }, RideEvent::WalkerWithdrew { at, .. }) => {
                State::Requested { waves: 0, dispatch_at: *at }
            }
            (State::Arrived { by, .. }, RideEvent::NoShow { at, fee, .. }) => {
                State::NoShow { by, at: *at, fee: *fee }
            }
            (
                state @ (State::Requested { .. }
                | State::Offered { .. }
                | State::Accepted(_)
                | State::Arrived { .. }),
                RideEvent::PinRenewed { .. },
            ) => state,
            _ => return Err(impossible),
        };
        Ok(Self { order, version: version + 1, state, passed_over })
    }
}
