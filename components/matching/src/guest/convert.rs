//! Between the bindings' types and the domain's.

use petwalker_kernel::{AccountId, BasisPoints, GeoPoint, Money, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Command, CommandError, OwnersEvent};

use super::bindings::exports::petwalker::matching::rides as wit;
use crate::domain::{CancellationPolicy, Fix, PetSize, Rejection, RidePet, Role, State, Walked};
use crate::service::{Caller, OfferView, Refusal, Request, RideView, Status, Terms};

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
pub(super) fn invalid(field: &'static str, message: impl ToString) -> Refusal {
    Refusal::Invalid { field, message: message.to_string() }
}

pub(super) fn caller(caller: &wit::Caller) -> Result<Caller, Refusal> {
    let account: AccountId = caller.account_id.parse().map_err(|e| invalid("caller.account_id", e))?;
    Ok(Caller { account, role: role(caller.role) })
}

fn role(role: wit::CallerRole) -> Role {
    match role {
        wit::CallerRole::Tutor => Role::Tutor,
        wit::CallerRole::Walker => Role::Walker,
        wit::CallerRole::Operator => Role::Operator,
        wit::CallerRole::Partner => Role::Partner,
    }
}

fn role_to_wit(role: Role) -> wit::CallerRole {
    match role {
        Role::Tutor => wit::CallerRole::Tutor,
        Role::Walker => wit::CallerRole::Walker,
        Role::Operator => wit::CallerRole::Operator,
        Role::Partner => wit::CallerRole::Partner,
    }
}

pub(super) fn command(command: wit::Command, caller: Caller) -> Command {
    Command { actor: caller.account.to_string(), id: command.id, fingerprint: command.fingerprint }
}

pub(super) fn size(size: wit::PetSize) -> PetSize {
    match size {
        wit::PetSize::Small => PetSize::Small,
        wit::PetSize::Medium => PetSize::Medium,
        wit::PetSize::Large => PetSize::Large,
        wit::PetSize::Giant => PetSize::Giant,
    }
}

fn size_to_wit(size: PetSize) -> wit::PetSize {
    match size {
        PetSize::Small => wit::PetSize::Small,
        PetSize::Medium => wit::PetSize::Medium,
        PetSize::Large => wit::PetSize::Large,
        PetSize::Giant => wit::PetSize::Giant,
    }
}

pub(super) fn place(field: &'static str, place: wit::Position) -> Result<GeoPoint, Refusal> {
    GeoPoint::new(place.lat, place.lon).map_err(|e| invalid(field, e))
}

fn money(amount: &wit::Money) -> Result<Money, Refusal> {
    let currency = amount.currency.parse().map_err(|e| invalid("price.currency", e))?;
    Ok(Money::new(amount.minor, currency))
}

fn money_to_wit(amount: Money) -> wit::Money {
    wit::Money { minor: amount.minor(), currency: amount.currency().to_string() }
}

pub(super) fn instant(at: UtcMillis) -> wit::Instant {
    wit::Instant { epoch_ms: at.get() }
}

pub(super) fn request(order: wit::RideOrder) -> Result<Request, Refusal> {
    Ok(Request {
        quote_id: order.quote_id.parse().map_err(|e| invalid("quote_id", e))?,
        quote_expires_at: UtcMillis::new(order.quote_expires_at.epoch_ms),
        price: money(&order.price)?,
        pickup: place("pickup", order.pickup)?,
        duration_min: order.duration_min,
        pets: order.pets.into_iter().map(|pet| RidePet { id: pet.id, size: size(pet.size) }).collect(),
        scheduled_for: order.scheduled_for.map(|at| UtcMillis::new(at.epoch_ms)),
        notes: order.notes,
        policy: CancellationPolicy {
            grace_min: order.policy.grace_min,
            cutoff_hour: order.policy.cutoff_hour,
            late: BasisPoints(order.policy.late_bp),
            arrived: BasisPoints(order.policy.arrived_bp),
        },
        seal_key: seal_key(order.seal_key)?,
    })
}

pub(super) fn seal_key(bytes: Option<Vec<u8>>) -> Result<Option<SealKey>, Refusal> {
    let read =
        |bytes: Vec<u8>| SealKey::from_slice(&bytes).ok_or_else(|| invalid("seal_key", "has 32 bytes"));
    bytes.map(read).transpose()
}

pub(super) fn owners_event(event: wit::ReplicaEvent) -> Result<OwnersEvent, Refusal> {
    Ok(OwnersEvent { record: event.bytes, seal_key: seal_key(event.seal_key)? })
}

pub(super) fn terms(terms: wit::WalkerTerms) -> Terms {
    Terms { capacity: terms.capacity.into(), time_zone: terms.time_zone }
}

pub(super) fn fix(fix: wit::Fix) -> Result<Fix, Refusal> {
    let place = place("fix", fix.place)?;
    Ok(Fix { place, at: UtcMillis::new(fix.at.epoch_ms), accuracy_m: fix.accuracy_m })
}

pub(super) fn walked(walked: wit::Walked) -> Walked {
    Walked { distance_m: walked.distance_m, moving_ms: walked.moving_ms }
}

fn state(state: &State) -> wit::RideState {
    match state {
        State::Requested { .. } => wit::RideState::Requested,
        State::Offered { .. } => wit::RideState::Offered,
        State::Accepted(_) => wit::RideState::Accepted,
        State::Arrived { .. } => wit::RideState::Arrived,
        State::Started { .. } => wit::RideState::Started,
        State::Paused { .. } => wit::RideState::Paused,
        State::Completed(_) => wit::RideState::Completed,
        State::Interrupted(_) => wit::RideState::Interrupted,
        State::Cancelled { .. } => wit::RideState::Cancelled,
        State::Expired { .. } => wit::RideState::Expired,
        State::NoShow { .. } => wit::RideState::NoShow,
    }
}

/// What a ride's state says of its later life.
#[derive(Default)]
struct Later {
    started_at: Option<UtcMillis>,
    ended_at: Option<UtcMillis>,
    distance_m: Option<u32>,
    cancelled_by: Option<Role>,
    fee: Option<Money>,
}

pub(super) fn status(status: Status) -> Option<wit::RideStatus> {
    let state = match status.state.as_str() {
        "requested" => wit::RideState::Requested,
        "offered" => wit::RideState::Offered,
        "accepted" => wit::RideState::Accepted,
        "arrived" => wit::RideState::Arrived,
        "started" => wit::RideState::Started,
        "paused" => wit::RideState::Paused,
        "completed" => wit::RideState::Completed,
        "interrupted" => wit::RideState::Interrupted,
        "cancelled" => wit::RideState::Cancelled,
        "expired" => wit::RideState::Expired,
        "no_show" => wit::RideState::NoShow,
        _ => return None,
    };
    Some(wit::RideStatus { state, tutor_id: status.tutor_id, walker_id: status.walker_id })
}

fn later(state: &State) -> Later {
    match state {
        State::Started { at, .. } => Later { started_at: Some(*at), ..Later::default() },
        State::Paused { started_at, .. } => Later { started_at: Some(*started_at), ..Later::default() },
        State::Completed(end) | State::Interrupted(end) => Later {
            started_at: Some(end.started_at),
            ended_at: Some(end.ended_at),
            distance_m: Some(end.walked.distance_m),
            ..Later::default()
        },
        State::Cancelled { by, at, fee, .. } => {
            Later { ended_at: Some(*at), cancelled_by: Some(*by), fee: Some(*fee), ..Later::default() }
        }
        State::Expired { at } => Later { ended_at: Some(*at), ..Later::default() },
        State::NoShow { at, fee, .. } => Later { ended_at: Some(*at), fee: Some(*fee), ..Later::default() },
        State::Requested { .. } | State::Offered { .. } | State::Accepted(_) | State::Arrived { .. } => {
            Later::default()
        }
    }
}

pub(super) fn ride(view: RideView) -> wit::Ride {
    let RideView { ride, pickup, notes, pin } = view;
    let later = later(&ride.state);
    wit::Ride {
        id: ride.order.id.to_string(),
        tutor_id: ride.order.tutor_id.to_string(),
        walker_id: ride.commitment().map(|by| by.walker_id.to_string()),
        state: state(&ride.state),
        version: ride.version,
        quote_id: ride.order.quote_id.to_string(),
        price: money_to_wit(ride.order.price),
        duration_min: ride.order.duration_min,
        requested_at: instant(ride.order.requested_at),
        scheduled_for: ride.order.scheduled_for.map(instant),
        accepted_at: ride.commitment().map(|by| instant(by.accepted_at)),
        started_at: later.started_at.map(instant),
        ended_at: later.ended_at.map(instant),
        distance_m: later.distance_m,
        cancelled_by: later.cancelled_by.map(role_to_wit),
        fee: later.fee.map(money_to_wit),
        pickup: pickup.map(|p| wit::Position { lat: p.lat(), lon: p.lon() }),
        notes,
        pin,
        pets: ride
            .order
            .pets
            .into_iter()
            .map(|pet| wit::RidePet { id: pet.id, size: size_to_wit(pet.size) })
            .collect(),
    }
}

pub(super) fn offer(view: OfferView) -> wit::Offer {
    let order = view.ride.order;
    wit::Offer {
        id: view.offer.id.to_string(),
        ride_id: view.offer.ride_id.to_string(),
        expires_at: instant(view.offer.expires_at),
        cell: order.cell,
        distance_m: view.offer.distance_m,
        price: money_to_wit(order.price),
        duration_min: order.duration_min,
        pets: u32::try_from(order.pets.len()).unwrap_or(u32::MAX),
        sizes: order.pets.iter().map(|pet| size_to_wit(pet.size)).collect(),
        scheduled_for: order.scheduled_for.map(instant),
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let code = match &refusal {
            Refusal::Invalid { .. }
            | Refusal::Command(CommandError::BadId)
            | Refusal::Rejected(Rejection::Fee) => Code::Invalid,
            Refusal::NotFound => Code::NotFound,
            Refusal::Forbidden | Refusal::Rejected(Rejection::NotYours) => Code::Forbidden,
            Refusal::Rejected(Rejection::Illegal { .. } | Rejection::TooEarly(_)) => Code::IllegalTransition,
            Refusal::AlreadyTaken => Code::AlreadyTaken,
            Refusal::OfferExpired => Code::OfferExpired,
            Refusal::WrongPin => Code::WrongPin,
            Refusal::TooManyAttempts => Code::TooManyAttempts,
            Refusal::QuoteExpired => Code::QuoteExpired,
            Refusal::QuoteUsed => Code::QuoteUsed,
            Refusal::StaleVersion(_) => Code::StaleVersion,
            Refusal::NoCapacity { .. } => Code::NoCapacity,
            Refusal::PetBusy(_) => Code::PetBusy,
            Refusal::TooManyRides => Code::TooManyRides,
            Refusal::Rejected(Rejection::NotSeen(_)) => Code::NotAtPickup,
            Refusal::Rejected(Rejection::PinLocked) => Code::PinLocked,
            Refusal::Command(CommandError::KeyReused(_)) => Code::KeyReused,
            Refusal::Command(CommandError::QuotaReached { .. }) => Code::QuotaReached,
            Refusal::Command(CommandError::Sql(_)) => Code::Unavailable,
        };
        let field = match &refusal {
            Refusal::Invalid { field, .. } => Some((*field).to_owned()),
            _ => None,
        };
        Self { code, message: refusal.to_string(), field }
    }
}
