//! Pets, walkers and their presence.

use super::Outcome;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::identity::profiles::{
    self, Pet, PetDetails, Position, Walker, WalkerDetails,
};
use crate::guest::bindings::petwalker::matching::presence::{self, NearbyWalker, WalkerCard, WorkHours};
use crate::guest::extract::Context;
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

pub async fn get_walker(account_id: String) -> Outcome<Walker> {
    Ok(profiles::get_walker(account_id).await?)
}

/// The calling walker is there: matching gets what the profile says.
pub async fn appear(caller: Caller, here: Position) -> Outcome<()> {
    regions::covers(here, "lat")?;
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
