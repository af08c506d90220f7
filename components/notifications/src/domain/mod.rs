//! Who is told of what.

use petwalker_kernel::{AccountId, EventId, RideId, UtcMillis};

/// What an account may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Owns pets and asks for rides.
    Tutor,
    /// Walks pets.
    Walker,
    /// Runs the service.
    Operator,
    /// Sells through the marketplace, or extends the service.
    Partner,
}

/// Something that happened to a ride, with those whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The event.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// The ride.
    pub ride_id: RideId,
    /// Who asked for it.
    pub tutor_id: AccountId,
    /// Who has it, or had it when this happened.
    pub walker_id: Option<AccountId>,
    /// Who called it off.
    pub by: Option<Role>,
    /// To whom it was offered.
    pub offered_to: Vec<AccountId>,
    /// When.
    pub at: UtcMillis,
}

/// What somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A walker: here is a ride to take.
    RideOffered,
    /// The tutor: somebody takes it.
    RideAccepted,
    /// The tutor: the walker is at the door.
    WalkerArrived,
    /// The tutor: the walk has begun.
    RideStarted,
    /// Both: it is done.
    RideCompleted,
    /// The tutor: it was cut short.
    RideInterrupted,
    /// The other one: it was called off.
    RideCancelled,
    /// The tutor: the walker cannot come, another is looked for.
    WalkerWithdrew,
    /// The tutor: nobody took it.
    RideExpired,
    /// The tutor: the walker came in vain.
    TutorNoShow,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::RideOffered,
        Self::RideAccepted,
        Self::WalkerArrived,
        Self::RideStarted,
        Self::RideCompleted,
        Self::RideInterrupted,
        Self::RideCancelled,
        Self::WalkerWithdrew,
        Self::RideExpired,
        Self::TutorNoShow,
    ];

    /// Its stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RideOffered => "ride-offered",
            Self::RideAccepted => "ride-accepted",
            Self::WalkerArrived => "walker-arrived",
            Self::RideStarted => "ride-started",
            Self::RideCompleted => "ride-completed",
            Self::RideInterrupted => "ride-interrupted",
            Self::RideCancelled => "ride-cancelled",
            Self::WalkerWithdrew => "walker-withdrew",
            Self::RideExpired => "ride-expired",
            Self::TutorNoShow => "tutor-no-show",
        }
    }
}

/// Who is to be told of something, and what. Nobody is told of what they did themselves.
#[must_use]
pub fn told(happening: &Happening) -> Vec<(AccountId, Kind)> {
    let tutor = |kind| vec![(happening.tutor_id, kind)];
    match happening.event_type.as_str() {
        "ride.offered" => happening.offered_to.iter().map(|walker| (*walker, Kind::RideOffered)).collect(),
        "ride.accepted" => tutor(Kind::RideAccepted),
        "ride.arrived" => tutor(Kind::WalkerArrived),
        "ride.started" => tutor(Kind::RideStarted),
        "ride.completed" => both(happening, Kind::RideCompleted),
        "ride.interrupted" => tutor(Kind::RideInterrupted),
        "ride.cancelled" => match happening.by {
            Some(Role::Tutor) => walker(happening, Kind::RideCancelled),
            Some(Role::Walker) => tutor(Kind::RideCancelled),
            _ => both(happening, Kind::RideCancelled),
        },
        "ride.walker-withdrew" => tutor(Kind::WalkerWithdrew),
        "ride.expired" => tutor(Kind::RideExpired),
        "ride.no-show" => tutor(Kind::TutorNoShow),
        _ => Vec::new(),
    }
}

fn walker(happening: &Happening, kind: Kind) -> Vec<(AccountId, Kind)> {
    happening.walker_id.map(|walker| (walker, kind)).into_iter().collect()
}

fn both(happening: &Happening, kind: Kind) -> Vec<(AccountId, Kind)> {
    let mut all = vec![(happening.tutor_id, kind)];
    all.extend(walker(happening, kind));
    all
}

/// The language among `known` that is closest to the one asked for (BCP 47): the same, else one of the same language, else the
/// first.
#[must_use]
pub fn closest<'a>(wanted: &str, known: &'a [String]) -> Option<&'a str> {
    let language = |locale: &str| locale.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let same = known.iter().find(|locale| locale.eq_ignore_ascii_case(wanted));
    let near = || known.iter().find(|locale| language(locale) == language(wanted));
    same.or_else(near).or_else(|| known.first()).map(String::as_str)
}

#[cfg(test)]
mod tests;
