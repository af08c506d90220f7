//! Quotes.

use super::Outcome;
use crate::guest::api::QuoteBody;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::matching::presence;
use crate::guest::bindings::petwalker::pricing::quotes::{self, Quote, QuoteRequest};
use crate::guest::extract::Context;
use crate::guest::problem::Problem;
use crate::guest::regions;

/// Prices a walk: the pets' sizes from identity, demand from matching.
pub async fn create(context: Context, body: QuoteBody) -> Outcome<Quote> {
    regions::covers(body.pickup, "pickup")?;
    let pets = super::profiles::pets_for_a_walk(&context.caller, body.pet_ids).await?;
    let demand =
        presence::demand_around(body.pickup).map_err(|refusal| Problem::from(refusal).renamed("pickup"))?;
    let request = QuoteRequest {
        pickup: body.pickup,
        duration_min: body.duration_min,
        sizes: pets.iter().map(|pet| pet.size).collect(),
        scheduled_for: body.scheduled_for,
        coupon: body.coupon,
        open_rides: demand.open_rides,
        free_walkers: demand.free_walkers,
        seal_key: super::seal_key(&context.caller.account_id)?,
    };
    Ok(quotes::create(&context.command, &context.caller, &request)?)
}

pub fn get(caller: &Caller, id: &str) -> Outcome<Quote> {
    regions::owns(id)?;
    Ok(quotes::get(caller, id, super::seal_key(&caller.account_id)?.as_deref())?)
}
