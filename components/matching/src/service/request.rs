//! Requesting a ride.

use petwalker_kernel::{GeoPoint, Millis, Moment, Money, QuoteId, RideId, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Command, NewEvent, Region, Sql, once, transaction};

use super::presence::present_since;
use super::{Caller, Refusal, RideView, invalid, project, read};
use crate::domain::{
    CancellationPolicy, Candidate, Offered, Ride, RideEvent, RideOrder, RidePet, Role, Wave, Window, choose,
    first_dispatch_at, pickup_square,
};
use crate::sql::presence::candidates;
use crate::sql::rides::{self, Details};

/// Characters of the geohash that events and demand use: cells of about 2.4 km or 5 km.
const CELL_CHARACTERS: usize = 5;
/// Candidates read for a wave.
const CANDIDATES_MAX: u32 = 60;
/// Rides of one tutor that are not over.
pub const OPEN_RIDES_MAX: usize = 20;
/// How far ahead a ride may be scheduled.
const AHEAD_MAX: Millis = Millis::from_mins(60 * 24 * 60);

/// What a ride is requested with.
#[derive(Clone, Debug)]
pub struct Request {
    /// The quote.
    pub quote_id: QuoteId,
    /// When it ends.
    pub quote_expires_at: UtcMillis,
    /// The price.
    pub price: Money,
    /// Where the pets are fetched.
    pub pickup: GeoPoint,
    /// Length in minutes.
    pub duration_min: u32,
    /// The pets.
    pub pets: Vec<RidePet>,
    /// When it is to start; none for at once.
    pub scheduled_for: Option<UtcMillis>,
    /// For the walker.
    pub notes: String,
    /// What calling off costs.
    pub policy: CancellationPolicy,
    /// What the details are sealed with in the event; none keeps them here only.
    pub seal_key: Option<SealKey>,
}

impl Request {
    fn check(&self, now: UtcMillis) -> Result<(), Refusal> {
        if !(15..=240).contains(&self.duration_min) {
            return invalid("duration_min", "must be 15 to 240 minutes");
        }
        if !(1..=10).contains(&self.pets.len()) {
            return invalid("pets", "must be 1 to 10");
        }
        if (1..self.pets.len()).any(|at| self.pets[..at].iter().any(|pet| pet.id == self.pets[at].id)) {
            return invalid("pets", "must name each pet once");
        }
        if self.notes.chars().count() > 500 {
            return invalid("notes", "may have 500 characters");
        }
        if self.price.minor() < 0 {
            return invalid("price", "cannot be negative");
        }
        if self.scheduled_for.is_some_and(|at| at < now || at > now.plus(AHEAD_MAX)) {
            return invalid("scheduled_for", "must be within the next 60 days");
        }
        if now >= self.quote_expires_at {
            return Err(Refusal::QuoteExpired);
        }
        Ok(())
    }
}

/// Requests a ride and, where it is due, makes its first wave of offers.
///
/// # Errors
/// When the request is out of range, the quote has ended or was used, or the caller is no tutor.
pub fn request(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    request: &Request,
) -> Result<RideView, Refusal> {
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| carry_out(sql, moment, command, caller, request),
            |view| view.ride.clone(),
            |sql, ride| read::again(sql, caller, ride),
        )
    })
}

fn carry_out(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    request: &Request,
) -> Result<RideView, Refusal> {
    request.check(moment.now)?;
    if rides::quote_is_used(sql, &request.quote_id)? {
        return Err(Refusal::QuoteUsed);
    }
    has_room(sql, moment.now, caller, request)?;
    let region = Region::read(sql)?;
    let order = order(&region, moment, caller, request);
    let details = details(moment, request);
    rides::insert_details(sql, order.id, &details)?;
    let dispatch_at = first_dispatch_at(&order);
    let sealed = match &request.seal_key {
        Some(key) => Some(details.seal(key, moment.bytes(), order.id)?),
        None => None,
    };
    let event = RideEvent::Requested { order, dispatch_at, sealed };
    let log = Log { region: &region, command: Some(command) };
    let mut ride = log.record(sql, moment, None, &event)?;
    if dispatch_at <= moment.now {
        ride = next_wave(sql, log, moment, ride, details.pickup, false)?;
    }
    Ok(RideView { ride, pickup: Some(details.pickup), notes: Some(details.notes), pin: Some(details.pin) })
}

/// That the tutor may have one more ride, and that its pets are on no other at that time.
fn has_room(sql: &impl Sql, now: UtcMillis, caller: Caller, request: &Request) -> Result<(), Refusal> {
    let open = rides::open_of(sql, caller.account)?;
    if open.len() >= OPEN_RIDES_MAX {
        return Err(Refusal::TooManyRides);
    }
    let wanted = Window::planned(request.scheduled_for.unwrap_or(now), request.duration_min, now);
    let meanwhile = open.iter().filter(|ride| ride.window(now).is_some_and(|window| window.overlaps(wanted)));
    let taken = meanwhile.flat_map(|ride| &ride.order.pets);
    match taken.into_iter().find(|pet| request.pets.iter().any(|wanted| wanted.id == pet.id)) {
        Some(pet) => Err(Refusal::PetBusy(pet.id.clone())),
        None => Ok(()),
    }
}

/// A PIN of four digits.
pub(super) fn draw_pin(moment: &mut Moment<'_>) -> String {
    let number = u32::from_le_bytes(moment.bytes::<4>()) % 10_000;
    format!("{number:04}")
}

fn order(region: &Region, moment: &mut Moment<'_>, caller: Caller, request: &Request) -> RideOrder {
    RideOrder {
        id: RideId::new_in(region.number, moment),
        tutor_id: caller.account,
        quote_id: request.quote_id,
        price: request.price,
        duration_min: request.duration_min,
        pets: request.pets.clone(),
        cell: request.pickup.cell(CELL_CHARACTERS).to_string(),
        requested_at: moment.now,
        scheduled_for: request.scheduled_for,
        policy: request.policy,
    }
}

fn details(moment: &mut Moment<'_>, request: &Request) -> Details {
    let pin = draw_pin(moment);
    Details { pickup: request.pickup, notes: request.notes.clone(), pin, pin_failures: 0 }
}

/// Where events are written, and the command they come of; none where a timer fired.
#[derive(Clone, Copy)]
pub(super) struct Log<'a> {
    pub(super) region: &'a Region,
    pub(super) command: Option<&'a Command>,
}

impl Log<'_> {
    /// Appends an event and applies it: the ride after it.
    pub(super) fn record(
        self,
        sql: &impl Sql,
        moment: &mut Moment<'_>,
        before: Option<Ride>,
        event: &RideEvent,
    ) -> Result<Ride, Refusal> {
        let ride = project(sql, before, event)?;
        petwalker_store::append(
            sql,
            self.region,
            moment,
            NewEvent {
                event_type: event.event_type(),
                stream_id: ride.order.id.to_string(),
                version: ride.version,
                schema: RideEvent::SCHEMA,
                facts: event,
                command: self.command,
            },
        )?;
        Ok(ride)
    }
}

/// Makes the next wave of offers, or gives the ride up. Of the pickup only its square has a part in who gets one.
pub(super) fn next_wave(
    sql: &impl Sql,
    log: Log<'_>,
    moment: &mut Moment<'_>,
    ride: Ride,
    pickup: GeoPoint,
    exhausted: bool,
) -> Result<Ride, Refusal> {
    let made = match ride.state {
        crate::domain::State::Requested { waves, .. } | crate::domain::State::Offered { waves, .. } => waves,
        _ => 0,
    };
    let wave = Wave::after(made, &ride.order);
    let around = pickup_square(pickup);
    let near = find_candidates(sql, moment.now, &ride, around, wave)?;
    let offers = choose(&ride.order, around, &ride.passed_over, wave, near)
        .into_iter()
        .map(|(walker_id, distance_m)| Offered {
            id: petwalker_kernel::OfferId::new(moment),
            walker_id,
            distance_m,
        })
        .collect();
    let event = ride.dispatch(offers, moment.now.plus(wave.lasts), moment.now, exhausted)?;
    log.record(sql, moment, Some(ride), &event)
}

/// Walkers around a place: from small cells where they are many, from larger ones where they are few.
fn find_candidates(
    sql: &impl Sql,
    now: UtcMillis,
    ride: &Ride,
    around: GeoPoint,
    wave: Wave,
) -> Result<Vec<Candidate>, Refusal> {
    let (sizes, since) = (ride.order.sizes(), present_since(now));
    let near = candidates(sql, around, 6, sizes, CANDIDATES_MAX, since)?;
    let enough = near.len() >= wave.size * 2;
    let reaches = around.cell(6).reach_m(around) >= f64::from(wave.radius_m);
    if enough || reaches {
        return Ok(near);
    }
    let characters = if around.cell(5).reach_m(around) >= f64::from(wave.radius_m) { 5 } else { 4 };
    Ok(candidates(sql, around, characters, sizes, CANDIDATES_MAX * 2, since)?)
}
