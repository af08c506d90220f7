//! `petwalker:matching/presence`.

use petwalker_kernel::GeoPoint;
use petwalker_store::Ambient;

use super::bindings::Component;
use super::bindings::exports::petwalker::matching::presence::{
    Caller, Demand, Guest, NearbyWalker, Position, Refusal, WalkerCard,
};
use super::{convert, region};
use crate::domain;
use crate::service;
use crate::sql::presence::Presence;

impl Guest for Component {
    fn appear(caller: Caller, here: Position, card: WalkerCard) -> Result<(), Refusal> {
        let caller = convert::caller(&caller)?;
        let presence = presence(caller, convert::place("position", here)?, card)?;
        let sql = region().map_err(service::Refusal::from)?;
        Ok(Ambient::moment(|moment| service::appear(&sql, moment, caller, presence))?)
    }

    fn leave(caller: Caller) -> Result<(), Refusal> {
        let caller = convert::caller(&caller)?;
        let sql = region().map_err(service::Refusal::from)?;
        Ok(service::leave(&sql, caller)?)
    }

    fn nearest(place: Position, limit: u32) -> Result<Vec<NearbyWalker>, Refusal> {
        let place = convert::place("position", place)?;
        let sql = region().map_err(service::Refusal::from)?;
        let found = service::nearest(&sql, Ambient::now(), place, limit)?;
        Ok(found
            .into_iter()
            .map(|walker| NearbyWalker {
                walker_id: walker.walker_id.to_string(),
                distance_m: walker.distance_m,
                rating_milli: walker.rating_milli,
            })
            .collect())
    }

    fn demand_around(place: Position) -> Result<Demand, Refusal> {
        let place = convert::place("position", place)?;
        let sql = region().map_err(service::Refusal::from)?;
        let (open_rides, free_walkers) = service::demand_around(&sql, Ambient::now(), place)?;
        Ok(Demand { open_rides, free_walkers })
    }
}

fn presence(
    caller: service::Caller,
    place: GeoPoint,
    card: WalkerCard,
) -> Result<Presence, service::Refusal> {
    let sizes = card.accepted_sizes.iter().fold(0, |bits, s| bits | convert::size(*s).bit());
    Ok(Presence {
        walker_id: caller.account,
        place,
        rating_milli: card.rating_milli,
        capacity: card.capacity.into(),
        sizes,
        card: domain::WalkerCard {
            time_zone: card.time_zone,
            area_centre: convert::place("area_centre", card.area_centre)?,
            area_radius_m: card.area_radius_m,
            weekly: card
                .weekly
                .iter()
                .map(|hours| domain::WorkHours {
                    weekday: hours.weekday,
                    from_minute: hours.from_minute,
                    to_minute: hours.to_minute,
                })
                .collect(),
        },
    })
}
