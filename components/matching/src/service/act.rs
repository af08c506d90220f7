//! Doing something to a ride.

use petwalker_kernel::{Moment, RideId};
use petwalker_store::{Command, Region, Sql, once, transaction};
use subtle::ConstantTimeEq as _;

use super::request::{Log, next_wave};
use super::{Caller, Refusal, RideView, invalid, read};
use crate::domain::{Commitment, Ride, RideEvent, Role, State, Walked};
use crate::sql::rides::Details;
use crate::sql::{offers, presence, rides};

/// Wrong PINs before an operator must help.
const PIN_FAILURES_MAX: u32 = 5;

/// What can be done to a ride.
#[derive(Clone, Debug)]
pub enum Action {
    /// The walker takes the offer.
    Accept,
    /// The walker lets it pass.
    Decline,
    /// The walker is at the pickup.
    Arrive,
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
    /// The tutor was not there.
    NoShow,
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
    let (ride, details) = rides::find_detailed(sql, id)?.ok_or(Refusal::NotFound)?;
    may_act(sql, caller, &ride, action)?;
    if expected_version.is_some_and(|v| v != ride.version) {
        return Err(Refusal::StaleVersion(ride.version));
    }
    let event = decide(sql, moment, caller, &ride, details.as_ref(), action)?;
    let region = Region::read(sql)?;
    let log = Log { region: &region, command: Some(command) };
    let mut ride = log.record(sql, moment, Some(ride), &event)?;
    if let Some(details) = &details {
        ride = look_further(sql, log, moment, ride, details, &event)?;
    }
    Ok(read::view(caller, ride, details))
}

/// Who may do what. A ride that is not the caller's does not exist for the caller.
fn may_act(sql: &impl Sql, caller: Caller, ride: &Ride, action: &Action) -> Result<(), Refusal> {
    let walkers_only = !matches!(action, Action::Cancel | Action::Interrupt(..));
    match caller.role {
        Role::Operator if walkers_only => Err(Refusal::Forbidden),
        Role::Operator => Ok(()),
        Role::Tutor if ride.order.tutor_id != caller.account => Err(Refusal::NotFound),
        Role::Tutor if matches!(action, Action::Cancel) => Ok(()),
        Role::Tutor | Role::Partner => Err(Refusal::Forbidden),
        Role::Walker => {
            let committed = ride.commitment().is_some_and(|by| by.walker_id == caller.account);
            let known = committed || offers::state(sql, ride.order.id, caller.account)?.is_some();
            if known { Ok(()) } else { Err(Refusal::NotFound) }
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
        Action::Accept => accept(sql, moment, caller, ride)?,
        Action::Decline => {
            open_offer(sql, moment, caller, ride)?;
            ride.decline(me, now)?
        }
        Action::Arrive => ride.arrive(me, now)?,
        Action::Start(pin) => {
            let event = ride.start(me, now)?;
            check_pin(details, pin)?;
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
        Action::Cancel => ride.cancel(caller.role, now)?,
        Action::NoShow => ride.no_show(me, now)?,
    })
}

fn accept(sql: &impl Sql, moment: &Moment<'_>, caller: Caller, ride: &Ride) -> Result<RideEvent, Refusal> {
    open_offer(sql, moment, caller, ride)?;
    let card = presence::card(sql, caller.account)?;
    let time_zone = card.map_or_else(|| "UTC".to_owned(), |card| card.time_zone);
    Ok(ride.accept(Commitment { walker_id: caller.account, accepted_at: moment.now, time_zone })?)
}

/// That the walker has an offer of the ride that is open; else what became of it.
fn open_offer(sql: &impl Sql, moment: &Moment<'_>, caller: Caller, ride: &Ride) -> Result<(), Refusal> {
    let Some((state, expires_at)) = offers::state(sql, ride.order.id, caller.account)? else {
        return Err(Refusal::NotFound);
    };
    let taken_by_other = ride.commitment().is_some_and(|by| by.walker_id != caller.account);
    match state.as_str() {
        _ if taken_by_other => Err(Refusal::AlreadyTaken),
        "open" if moment.now < expires_at => Ok(()),
        "open" | "expired" => Err(Refusal::OfferExpired),
        // Accepted or declined by this walker, or withdrawn with the ride: the ride's own state says what is wrong.
        _ => Err(ride.accept_rejection()),
    }
}

fn check_pin(details: Option<&Details>, pin: &str) -> Result<(), Refusal> {
    let details = details.ok_or(Refusal::NotFound)?;
    if details.pin_failures >= PIN_FAILURES_MAX {
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
        crate::domain::Rejection::Illegal { state: self.state.name(), action: "accepted by you" }.into()
    }
}
