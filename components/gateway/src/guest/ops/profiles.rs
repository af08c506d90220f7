//! Pets, walkers and their presence.

use super::Outcome;
use crate::guest::bindings::petwalker::identity::accounts::{self, Caller, CallerRole};
use crate::guest::bindings::petwalker::identity::profiles::{
    self, Pet, PetDetails, Position, Walker, WalkerDetails,
};
use crate::guest::bindings::petwalker::matching::presence::{self, NearbyWalker, WalkerCard, WorkHours};
use crate::guest::extract::Context;
use crate::guest::problem::Problem;
use crate::guest::regions;

pub async fn add_pet(context: Context, details: PetDetails) -> Outcome<Pet> {
    Ok(profiles::add_pet(context.command, context.caller, details).await?)
}

pub async fn list_pets(caller: Caller) -> Outcome<Vec<Pet>> {
    Ok(profiles::list_pets(caller).await?)
}

pub async fn put_walker(context: Context, details: WalkerDetails) -> Outcome<Walker> {
    Ok(profiles::put_walker(context.command, context.caller, details).await?)
}

pub async fn get_walker(caller: &Caller, account_id: String) -> Outcome<Walker> {
    seen_by(caller, profiles::get_walker(account_id).await?)
}

/// A walker as others may know them: where the area's centre is, which may be a home, is told by its cell only.
pub fn seen_by(caller: &Caller, mut walker: Walker) -> Outcome<Walker> {
    if walker.account_id != caller.account_id {
        let middle = petwalker_kernel::Cell::named(&walker.area_cell).and_then(|cell| cell.centre());
        let middle = middle.ok_or_else(|| Problem::new("internal", "a walker's area has no cell"))?;
        walker.details.area_centre = Position { lat: middle.lat(), lon: middle.lon() };
    }
    Ok(walker)
}

/// Pets that one walk or quote may be for.
const PETS_MAX: usize = 10;

/// The calling tutor's pets of these ids, for a walk: 1 to 10, each once. They are counted before any is looked up.
pub async fn pets_for_a_walk(caller: &Caller, ids: Vec<String>) -> Outcome<Vec<Pet>> {
    if caller.role != CallerRole::Tutor {
        return Err(Problem::new("forbidden", "your role may not do this"));
    }
    if !(1..=PETS_MAX).contains(&ids.len()) {
        return Err(Problem::new("invalid", "must be 1 to 10").at("pet_ids"));
    }
    if (1..ids.len()).any(|at| ids[..at].contains(&ids[at])) {
        return Err(Problem::new("invalid", "must name each pet once").at("pet_ids"));
    }
    Ok(profiles::get_pets(caller.clone(), ids).await?)
}

/// The calling walker is there: matching gets what the profile says.
pub async fn appear(caller: Caller, here: Position) -> Outcome<()> {
    regions::covers(here, "lat")?;
    accounts::check_approved(caller.clone()).await?;
    let walker = profiles::get_walker(caller.account_id.clone()).await?;
    let details = walker.details;
    let card = WalkerCard {
        capacity: details.capacity,
        accepted_sizes: details.accepted_sizes,
        rating_milli: walker.rating_milli,
        time_zone: details.time_zone,
        area_centre: details.area_centre,
        area_radius_m: details.area_radius_m,
        weekly: details
            .weekly
            .into_iter()
            .map(|a| WorkHours { weekday: a.weekday, from_minute: a.from_minute, to_minute: a.to_minute })
            .collect(),
    };
    Ok(presence::appear(&caller, here, &card)?)
}

pub fn leave(caller: &Caller) -> Outcome<()> {
    Ok(presence::leave(caller)?)
}

pub fn nearest(place: Position, limit: u32) -> Outcome<Vec<NearbyWalker>> {
    regions::covers(place, "lat")?;
    Ok(presence::nearest(place, limit)?)
}
