//! Doing something to a ride.

use petwalker_kernel::{Moment, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Command, Region, Sql, once, transaction};
use subtle::ConstantTimeEq as _;

use super::request::{Log, draw_pin, next_wave};
use super::{Caller, Refusal, RideView, invalid, read};
use crate::domain::{
    Commitment, Fix, Rejection, Ride, RideEvent, Role, State, Walked, Window, fits, seen_at_pickup,
};
use crate::sql::rides::Details;
use crate::sql::{offers, presence, rides};

/// Wrong PINs of one walker before the PIN is locked.
const PIN_FAILURES_MAX: u32 = 5;

/// What a walker's profile says, as far as an acceptance asks.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How many pets the walker walks at once.
    pub capacity: u32,
    /// IANA time zone in which the walker's cutoffs run.
    pub time_zone: String,
}

/// What can be done to a ride.
#[derive(Clone, Debug)]
pub enum Action {
    /// The walker takes the offer, on the terms of the own profile.
    Accept(Terms),
    /// The walker lets it pass.
    Decline,
    /// The walker is at the pickup, by the last fix of the way there.
    Arrive(Option<Fix>),
    /// The walk starts, with the tutor's PIN.
    Start(String),
    /// It rests.
    Pause,
    /// It goes on.
    Resume,
    /// It is done.
    Complete(Walked),
    /// An incident ends it.
    Interrupt(Walked, String),
    /// It is called off.
    Cancel,
    /// The tutor was not there; the walker still is, by the last fix of the way there.
    NoShow(Option<Fix>),
    /// Another PIN, sealed with the tutor's key where there is one.
    RenewPin(Option<SealKey>),
}

/// Does `action` to a ride, once for each command.
///
/// # Errors
/// When the ride is not the caller's, changed since it was read, or does not allow the action.
pub fn act(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    id: RideId,
    expected_version: Option<u32>,
    action: &Action,
) -> Result<RideView, Refusal> {
    let result = transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| carry_out(sql, moment, command, caller, id, expected_version, action),
            |view| view.ride.clone(),
            |sql, ride| read::again(sql, caller, ride),
        )
    });
    if result == Err(Refusal::WrongPin) {
        // Counted apart: the refusal has rolled everything else back.
        rides::count_pin_failure(sql, id)?;
    }
    result
}

fn carry_out(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    id: RideId,
    expected_version: Option<u32>,
    action: &Action,
) -> Result<RideView, Refusal> {
    let (ride, mut details) = rides::find_detailed(sql, id)?.ok_or(Refusal::NotFound)?;
    may_act(sql, caller, &ride, action)?;
    if expected_version.is_some_and(|v| v != ride.version) {
        return Err(Refusal::StaleVersion(ride.version));
    }
    let event = match action {
        Action::RenewPin(key) => renew_pin(sql, moment, caller, &ride, details.as_mut(), key.as_ref())?,
        _ => decide(sql, moment, caller, &ride, details.as_ref(), action)?,
    };
    let region = Region::read(sql)?;
    let log = Log { region: &region, command: Some(command) };
    let mut ride = log.record(sql, moment, Some(ride), &event)?;
    if let Some(details) = &details {
        ride = look_further(sql, log, moment, ride, details, &event)?;
    }
    Ok(read::view(caller, ride, details))
}

/// Who may do what. A ride that is not the caller's does not exist for the caller; a walker with an offer may answer that,
/// and nothing else.
fn may_act(sql: &impl Sql, caller: Caller, ride: &Ride, action: &Action) -> Result<(), Refusal> {
    match caller.role {
        Role::Operator => match action {
            Action::Cancel | Action::Interrupt(..) | Action::RenewPin(_) => Ok(()),
            _ => Err(Refusal::Forbidden),
        },
        Role::Tutor if ride.order.tutor_id != caller.account => Err(Refusal::NotFound),
        Role::Tutor if matches!(action, Action::Cancel | Action::RenewPin(_)) => Ok(()),
        Role::Tutor | Role::Partner => Err(Refusal::Forbidden),
        Role::Walker => {
            let committed = ride.commitment().is_some_and(|by| by.walker_id == caller.account);
            if committed {
                let allowed = !matches!(action, Action::RenewPin(_));
                return if allowed { Ok(()) } else { Err(Refusal::Forbidden) };
            }
            let answers = matches!(action, Action::Accept(_) | Action::Decline);
            let offered = answers && offers::state(sql, ride.order.id, caller.account)?.is_some();
            if offered { Ok(()) } else { Err(Refusal::NotFound) }
        }
    }
}

fn decide(
    sql: &impl Sql,
    moment: &Moment<'_>,
    caller: Caller,
    ride: &Ride,
    details: Option<&Details>,
    action: &Action,
) -> Result<RideEvent, Refusal> {
    let (me, now) = (caller.account, moment.now);
    Ok(match action {
        Action::Accept(terms) => accept(sql, moment, caller, ride, terms)?,
        Action::Decline => {
            open_offer(sql, moment, caller, ride)?;
            ride.decline(me, now)?
        }
        Action::Arrive(fix) => {
            let event = ride.arrive(me, now)?;
            check_nearness(sql, caller, details, *fix, now)?;
            event
        }
        Action::Start(pin) => {
            let event = ride.start(me, now)?;
            check_pin(details, pin)?;
            check_hands(sql, ride)?;
            event
        }
        Action::Pause => ride.pause(me, now)?,
        Action::Resume => ride.resume(me, now)?,
        Action::Complete(walked) => ride.complete(me, *walked, now)?,
        Action::Interrupt(walked, reason) => {
            if reason.is_empty() || reason.chars().count() > 500 {
                return invalid("reason", "must have 1 to 500 characters");
            }
            let walker = (caller.role == Role::Walker).then_some(me);
            ride.interrupt(walker, *walked, now)?
        }
        Action::Cancel if caller.role == Role::Walker => ride.withdraw(me, now)?,
        Action::Cancel => ride.cancel(caller.role, now, is_locked(details))?,
        Action::NoShow(fix) => {
            let event = ride.no_show(me, now, is_locked(details))?;
            check_nearness(sql, caller, details, *fix, now)?;
            event
        }
        Action::RenewPin(_) => return Err(Refusal::Forbidden),
    })
}

fn accept(
    sql: &impl Sql,
    moment: &Moment<'_>,
    caller: Caller,
    ride: &Ride,
    terms: &Terms,
) -> Result<RideEvent, Refusal> {
    open_offer(sql, moment, caller, ride)?;
    let order = &ride.order;
    let wanted = Window::planned(order.starts_at(), order.duration_min, moment.now);
    let held = rides::held_by(sql, caller.account)?;
    let held: Vec<(Window, u32)> =
        held.iter().filter_map(|other| Some((other.window(moment.now)?, other.pets()))).collect();
    let capacity = terms.capacity;
    fits(capacity, ride.pets(), wanted, &held).map_err(|pets| Refusal::NoCapacity { pets, capacity })?;
    Ok(ride.accept(Commitment {
        walker_id: caller.account,
        accepted_at: moment.now,
        time_zone: terms.time_zone.clone(),
        capacity: Some(capacity),
    })?)
}

/// That the walker has an offer of the ride that is open; else what became of it. Who has none any more is told no state of
/// the ride.
fn open_offer(sql: &impl Sql, moment: &Moment<'_>, caller: Caller, ride: &Ride) -> Result<(), Refusal> {
    match ride.commitment() {
        Some(by) if by.walker_id == caller.account => return Err(ride.accept_rejection()),
        Some(_) => return Err(Refusal::AlreadyTaken),
        None => {}
    }
    match offers::state(sql, ride.order.id, caller.account)? {
        None => Err(Refusal::NotFound),
        Some((state, expires_at)) if state == "open" && moment.now < expires_at => Ok(()),
        Some(_) => Err(Refusal::OfferExpired),
    }
}

/// That the walker is at the pickup, by the newest of what the device told: on its way there, or as its presence.
fn check_nearness(
    sql: &impl Sql,
    caller: Caller,
    details: Option<&Details>,
    fix: Option<Fix>,
    now: UtcMillis,
) -> Result<(), Refusal> {
    let pickup = details.ok_or(Refusal::NotFound)?.pickup;
    let present = presence::last_seen(sql, caller.account)?;
    let present = present.map(|(place, at)| Fix { place, at, accuracy_m: 0.0 });
    let fixes: Vec<Fix> = fix.into_iter().chain(present).collect();
    Ok(seen_at_pickup(pickup, &fixes, now).map_err(Rejection::from)?)
}

/// That the walker, who may be late with an earlier walk, has room for these pets now.
fn check_hands(sql: &impl Sql, ride: &Ride) -> Result<(), Refusal> {
    let Some(by) = ride.commitment() else { return Ok(()) };
    let Some(capacity) = by.capacity else { return Ok(()) };
    let held = rides::held_by(sql, by.walker_id)?;
    let walking = held.iter().filter(|r| matches!(r.state, State::Started { .. } | State::Paused { .. }));
    let pets = walking.map(Ride::pets).fold(ride.pets(), u32::saturating_add);
    if pets <= capacity { Ok(()) } else { Err(Refusal::NoCapacity { pets, capacity }) }
}

fn is_locked(details: Option<&Details>) -> bool {
    details.is_some_and(|details| details.pin_failures >= PIN_FAILURES_MAX)
}

/// Draws another PIN and writes it; the event has it sealed.
fn renew_pin(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    caller: Caller,
    ride: &Ride,
    details: Option<&mut Details>,
    key: Option<&SealKey>,
) -> Result<RideEvent, Refusal> {
    let details = details.ok_or(Refusal::NotFound)?;
    let pin = draw_pin(moment);
    let id = ride.order.id;
    let sealed = key.map(|key| rides::seal_pin(key, moment.bytes(), id, &pin));
    let event = ride.renew_pin(caller.role, moment.now, sealed)?;
    rides::set_pin(sql, id, &pin)?;
    (details.pin, details.pin_failures) = (pin, 0);
    Ok(event)
}

fn check_pin(details: Option<&Details>, pin: &str) -> Result<(), Refusal> {
    let details = details.ok_or(Refusal::NotFound)?;
    if is_locked(Some(details)) {
        return Err(Refusal::TooManyAttempts);
    }
    if details.pin.as_bytes().ct_eq(pin.as_bytes()).into() { Ok(()) } else { Err(Refusal::WrongPin) }
}

/// After a walker let a ride go: the next wave at once where nobody else has it on offer.
fn look_further(
    sql: &impl Sql,
    log: Log<'_>,
    moment: &mut Moment<'_>,
    ride: Ride,
    details: &Details,
    event: &RideEvent,
) -> Result<Ride, Refusal> {
    let let_go = matches!(event, RideEvent::OfferDeclined { .. } | RideEvent::WalkerWithdrew { .. });
    let waiting = matches!(ride.state, State::Requested { .. } | State::Offered { .. });
    if let_go && waiting && offers::open_count(sql, ride.order.id)? == 0 {
        return next_wave(sql, log, moment, ride, details.pickup, true);
    }
    Ok(ride)
}

impl Ride {
    fn accept_rejection(&self) -> Refusal {
        Rejection::Illegal { state: self.state.name(), action: "accepted by you" }.into()
    }
}
