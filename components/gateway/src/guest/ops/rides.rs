//! Rides and offers.

use super::Outcome;
use crate::guest::api::{RatingBody, RideBody, RideOrOffer};
use crate::guest::bindings::petwalker::billing::invoices;
use crate::guest::bindings::petwalker::identity::accounts::{self, Caller, CallerRole};
use crate::guest::bindings::petwalker::identity::profiles::{self, PetSize, Rating, Walker};
use crate::guest::bindings::petwalker::matching::rides::{
    self, CancellationPolicy, Interruption, Offer, RefusalCode, Ride, RideAction, RideOrder, RidePage,
    RidePet, RideState, Walked, WalkerTerms,
};
use crate::guest::bindings::petwalker::pricing::quotes::{self, LineKind};
use crate::guest::bindings::petwalker::tracking::routes::{self, Circle};
use crate::guest::extract::Context;
use crate::guest::problem::Problem;
use crate::guest::{live, regions};

/// Requests a ride: price and policy from the quote, sizes from the pets.
pub async fn request(context: Context, body: RideBody) -> Outcome<Ride> {
    regions::owns(&body.quote_id)?;
    invoices::may_book(context.caller.clone()).await?;
    let seal_key = super::seal_key(&context.caller.account_id)?;
    let quote = quotes::get(&context.caller, &body.quote_id, seal_key.as_deref())?;
    let pets = super::profiles::pets_for_a_walk(&context.caller, body.pet_ids).await?;
    let (mut asked, mut quoted): (Vec<PetSize>, Vec<PetSize>) =
        (pets.iter().map(|pet| pet.size).collect(), quote.sizes);
    asked.sort();
    quoted.sort();
    if asked != quoted {
        return Err(Problem::new("invalid", "are not those the quote was made for").at("pet_ids"));
    }
    if quote.lines.iter().any(|line| line.kind == LineKind::Coupon) {
        quotes::hold_coupon(context.caller.clone(), quote.id.clone()).await?;
    }
    let order = RideOrder {
        quote_id: quote.id,
        quote_expires_at: quote.expires_at,
        price: quote.total,
        pickup: quote.pickup,
        duration_min: quote.duration_min,
        pets: pets.into_iter().map(|pet| RidePet { id: pet.id, size: pet.size }).collect(),
        scheduled_for: quote.scheduled_for,
        notes: body.notes,
        policy: CancellationPolicy {
            grace_min: quote.cancellation.grace_min,
            cutoff_hour: quote.cancellation.cutoff_hour,
            late_bp: quote.cancellation.late_bp,
            arrived_bp: quote.cancellation.arrived_bp,
        },
        seal_key,
    };
    let requested = rides::request(&context.command, &context.caller, &order);
    if let Err(refusal) = &requested
        && matches!(refusal.code, RefusalCode::PetBusy | RefusalCode::TooManyRides)
    {
        // These are said of a quote that no ride has used: another one may have its coupon.
        quotes::release_coupon(context.caller, order.quote_id).await?;
    }
    Ok(requested?)
}

pub fn act(context: &Context, id: &str, action: &RideAction) -> Outcome<Ride> {
    regions::owns(id)?;
    Ok(rides::act(&context.command, &context.caller, id, context.expected_version, action)?)
}

/// So near the pickup a walker has arrived, and back there has brought the pets home, metres.
const PICKUP_RADIUS_M: f64 = 80.0;

/// The walker takes the offer, on the terms of the own profile: from here on the way to the pickup can be followed.
pub async fn accept(context: Context, id: String) -> Outcome<Ride> {
    regions::owns(&id)?;
    accounts::check_approved(context.caller.clone()).await?;
    let ride = act(&context, &id, &RideAction::Accept(terms(&context.caller).await?))?;
    if let Some(centre) = ride.pickup {
        // Whoever hears that this failed repeats the command, which accepts nothing twice.
        let keeper = super::tracks::keeper(&ride)?;
        routes::expect(&id, Circle { centre, radius_m: PICKUP_RADIUS_M }, keeper.as_ref())?;
    }
    Ok(ride)
}

/// The variable that says by how many seconds the clocks of walkers' devices may be wrong.
const SKEW_VARIABLE: &str = "track_skew_s";

/// The walk starts with the tutor's PIN: from here on its points count.
pub async fn start(context: Context, id: String, pin: String) -> Outcome<Ride> {
    let skew = spin_sdk::variables::get(SKEW_VARIABLE).await.unwrap_or_default();
    let skew_s: u32 = skew.parse().map_err(|_| {
        Problem::new("internal", format!("variable '{SKEW_VARIABLE}' is not a number of seconds"))
    })?;
    let ride = act(&context, &id, &RideAction::Start(pin))?;
    if let Some(started_at) = ride.started_at {
        // Whoever hears that this failed repeats the command, which starts nothing twice.
        routes::begin(&id, started_at, u64::from(skew_s) * 1_000)?;
    }
    Ok(ride)
}

/// What a walker's profile says. Who is no walker has none, and is refused by the ride's own rules.
async fn terms(caller: &Caller) -> Outcome<WalkerTerms> {
    if caller.role != CallerRole::Walker {
        return Ok(WalkerTerms { capacity: 0, time_zone: String::new() });
    }
    let details = profiles::get_walker(caller.account_id.clone()).await?.details;
    Ok(WalkerTerms { capacity: details.capacity, time_zone: details.time_zone })
}

/// The walker lets the offer pass, and is told nothing more of the ride.
pub fn decline(context: &Context, id: &str) -> Outcome<()> {
    act(context, id, &RideAction::Decline).map(drop)
}

/// The walker is at the pickup, by the last fix of the way there.
pub fn arrive(context: &Context, id: &str) -> Outcome<Ride> {
    regions::owns(id)?;
    act(context, id, &RideAction::Arrive(routes::last_fix(id)?))
}

/// The walker waited at the pickup, and is there yet, by the last fix.
pub fn no_show(context: &Context, id: &str) -> Outcome<Ride> {
    regions::owns(id)?;
    act(context, id, &RideAction::NoShow(routes::last_fix(id)?))
}

/// Tutor or operator sets another PIN.
pub fn renew_pin(context: &Context, id: &str) -> Outcome<Ride> {
    let ride = super::ride(&context.caller, id)?;
    act(context, id, &RideAction::RenewPin(super::seal_key(&ride.tutor_id)?))
}

/// What tracking measured of a walk. Where the caller may end it, the walk is whole from here on wherever the region's events
/// are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a distance on Earth fits")]
fn walked(caller: &Caller, id: &str) -> Outcome<Walked> {
    let ride = super::ride(caller, id)?;
    if live::is_under_way(ride.state) && caller.role != CallerRole::Tutor {
        routes::settle(id)?;
    }
    let summary = routes::summary(id, None)?;
    Ok(Walked { distance_m: summary.distance_m.round() as u32, moving_ms: summary.moving_ms })
}

pub fn complete(context: &Context, id: &str) -> Outcome<Ride> {
    act(context, id, &RideAction::Complete(walked(&context.caller, id)?))
}

pub fn interrupt(context: &Context, id: &str, reason: String) -> Outcome<Ride> {
    let walked = walked(&context.caller, id)?;
    act(context, id, &RideAction::Interrupt(Interruption { reason, walked }))
}

pub fn get(caller: &Caller, id: &str) -> Outcome<Ride> {
    super::ride(caller, id)
}

/// A ride, or what an offer of it tells as long as that is open.
pub fn get_or_offer(caller: &Caller, id: &str) -> Outcome<RideOrOffer> {
    match get(caller, id) {
        Err(problem) if problem.code == "not-found" && caller.role == CallerRole::Walker => {
            offer(caller, id).map(RideOrOffer::Offer)
        }
        found => found.map(|ride| RideOrOffer::Ride(Box::new(ride))),
    }
}

/// The calling walker's open offer of a ride.
pub fn offer(caller: &Caller, id: &str) -> Outcome<Offer> {
    regions::owns(id)?;
    Ok(rides::offer_of(caller, id)?)
}

pub fn list(caller: &Caller, cursor: Option<&str>, limit: u32) -> Outcome<RidePage> {
    Ok(rides::list(caller, cursor, limit)?)
}

pub fn offers(caller: &Caller) -> Outcome<Vec<Offer>> {
    Ok(rides::offers(caller)?)
}

/// Rates the walker of a ride that took place.
pub async fn rate(context: Context, id: String, body: RatingBody) -> Outcome<Walker> {
    let ride = super::ride(&context.caller, &id)?;
    let over = matches!(ride.state, RideState::Completed | RideState::Interrupted);
    let Some(walker_id) = ride.walker_id.filter(|_| over) else {
        return Err(Problem::new("illegal-transition", "a ride is rated once it has taken place"));
    };
    let rating = Rating { ride_id: id, walker_id, stars: body.stars, comment: body.comment };
    let rated = profiles::rate_walker(context.command, context.caller.clone(), rating).await?;
    super::profiles::seen_by(&context.caller, rated)
}
