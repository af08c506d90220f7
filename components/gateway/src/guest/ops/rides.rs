//! Rides and offers.

use super::Outcome;
use crate::guest::api::{RatingBody, RideBody};
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::identity::profiles::{self, PetSize, Rating, Walker};
use crate::guest::bindings::petwalker::matching::rides::{
    self, CancellationPolicy, Interruption, Offer, Ride, RideAction, RideOrder, RidePage, RidePet, RideState,
    Walked,
};
use crate::guest::bindings::petwalker::pricing::quotes;
use crate::guest::bindings::petwalker::tracking::routes::{self, Circle, Keeper};
use crate::guest::extract::Context;
use crate::guest::problem::Problem;
use crate::guest::regions;

/// Requests a ride: price and policy from the quote, sizes from the pets.
pub async fn request(context: Context, body: RideBody) -> Outcome<Ride> {
    regions::owns(&body.quote_id)?;
    let seal_key = super::seal_key(&context.caller.account_id)?;
    let quote = quotes::get(&context.caller, &body.quote_id, seal_key.as_deref())?;
    let pets = profiles::get_pets(context.caller.clone(), body.pet_ids).await?;
    let (mut asked, mut quoted): (Vec<PetSize>, Vec<PetSize>) =
        (pets.iter().map(|pet| pet.size).collect(), quote.sizes);
    asked.sort();
    quoted.sort();
    if asked != quoted {
        return Err(Problem::new("invalid", "are not those the quote was made for").at("pet_ids"));
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
    Ok(rides::request(&context.command, &context.caller, &order)?)
}

pub fn act(context: &Context, id: &str, action: &RideAction) -> Outcome<Ride> {
    regions::owns(id)?;
    Ok(rides::act(&context.command, &context.caller, id, context.expected_version, action)?)
}

/// So near the pickup a walker has arrived, and back there has brought the pets home, metres.
const PICKUP_RADIUS_M: f64 = 80.0;

/// The walker takes the offer: from here on the way to the pickup can be followed.
pub fn accept(context: &Context, id: &str) -> Outcome<Ride> {
    let ride = act(context, id, &RideAction::Accept)?;
    if let Some(centre) = ride.pickup {
        // Whoever hears that this failed repeats the command, which accepts nothing twice.
        let keeper = super::seal_key(&ride.tutor_id)?
            .map(|seal_key| Keeper { tutor_id: ride.tutor_id.clone(), seal_key });
        routes::expect(id, Circle { centre, radius_m: PICKUP_RADIUS_M }, keeper.as_ref())?;
    }
    Ok(ride)
}

/// What tracking measured of a walk.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a distance on Earth fits")]
fn walked(id: &str) -> Outcome<Walked> {
    regions::owns(id)?;
    // From here on the walk is whole wherever the region's events are.
    routes::settle(id)?;
    let summary = routes::summary(id, None)?;
    Ok(Walked { distance_m: summary.distance_m.round() as u32, moving_ms: summary.moving_ms })
}

pub fn complete(context: &Context, id: &str) -> Outcome<Ride> {
    act(context, id, &RideAction::Complete(walked(id)?))
}

pub fn interrupt(context: &Context, id: &str, reason: String) -> Outcome<Ride> {
    act(context, id, &RideAction::Interrupt(Interruption { reason, walked: walked(id)? }))
}

pub fn get(caller: &Caller, id: &str) -> Outcome<Ride> {
    super::ride(caller, id)
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
    Ok(profiles::rate_walker(context.command, context.caller, rating).await?)
}
