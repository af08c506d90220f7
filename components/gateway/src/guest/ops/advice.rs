//! Advice: the pet from identity, its walks from matching and tracking.

use super::Outcome;
use crate::guest::api::AdviceBody;
use crate::guest::bindings::petwalker::advice::health::{self, AdviceItem, PastWalk, PetFacts};
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::identity::profiles;
use crate::guest::bindings::petwalker::matching::rides;
use crate::guest::bindings::petwalker::tracking::routes;
use crate::guest::clock::now_ms;
use crate::guest::problem::Problem;

const DAY_MS: i64 = 86_400_000;
/// Days of walks that advice looks at.
const DAYS: i64 = 7;

pub async fn advise(caller: Caller, pet_id: String, body: AdviceBody) -> Outcome<Vec<AdviceItem>> {
    let pet = profiles::get_pets(caller.clone(), vec![pet_id.clone()])
        .await?
        .pop()
        .ok_or_else(|| Problem::new("not-found", "there is no such pet"))?;
    let now_ms = now_ms();
    let facts = PetFacts {
        species: pet.details.species,
        weight_g: pet.details.weight_g,
        age_months: age_months(&pet.details.birth_date, now_ms),
        conditions: pet.details.conditions,
    };
    let walks = past_walks(&caller, &pet_id, now_ms)?;
    Ok(health::advise(&facts, body.weather, &walks)?)
}

/// Whole months from `YYYY-MM-DD` to a moment, taking months as the twelfth part of a mean year.
fn age_months(birth_date: &str, now_ms: i64) -> u32 {
    let mut parts = birth_date.split('-').map(|p| p.parse::<i64>().unwrap_or(0));
    let (year, month, day) =
        (parts.next().unwrap_or(1970), parts.next().unwrap_or(1), parts.next().unwrap_or(1));
    // Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "days from civil").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let lived_days = now_ms / DAY_MS - days;
    u32::try_from(lived_days * 4_800 / 146_097).unwrap_or(0)
}

fn past_walks(caller: &Caller, pet_id: &str, now_ms: i64) -> Outcome<Vec<PastWalk>> {
    let mut walks = Vec::new();
    for ride in rides::list(caller, None, 50)?.rides {
        let (Some(ended), Some(distance_m)) = (ride.ended_at, ride.distance_m) else { continue };
        let days_ago = (now_ms - ended.epoch_ms).max(0) / DAY_MS;
        if days_ago >= DAYS || !ride.pets.iter().any(|pet| pet.id == pet_id) {
            continue;
        }
        let moving_ms = routes::summary(&ride.id, None)?.moving_ms;
        walks.push(PastWalk { days_ago: u32::try_from(days_ago).unwrap_or(u32::MAX), distance_m, moving_ms });
    }
    Ok(walks)
}
