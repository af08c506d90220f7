//! Where walkers are.

use petwalker_kernel::{AccountId, GeoPoint, Moment};
use petwalker_store::Sql;

use super::{Caller, Refusal, invalid};
use crate::domain::Role;
use crate::sql::presence::{self, Presence};

/// A walker near a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearbyWalker {
    /// Who.
    pub walker_id: AccountId,
    /// Metres along the great circle.
    pub distance_m: f64,
    /// Mean rating in thousandths of a star.
    pub rating_milli: u32,
}

/// The calling walker is there and takes offers.
///
/// # Errors
/// When the caller is no walker, or the card is out of range.
pub fn appear(
    sql: &impl Sql,
    moment: &Moment<'_>,
    caller: Caller,
    mut presence: Presence,
) -> Result<(), Refusal> {
    if caller.role != Role::Walker {
        return Err(Refusal::Forbidden);
    }
    if !(1..=10).contains(&presence.capacity) {
        return invalid("capacity", "must be 1 to 10");
    }
    if presence.sizes == 0 {
        return invalid("accepted_sizes", "must have at least one size");
    }
    presence.walker_id = caller.account;
    Ok(presence::put(sql, &presence, moment.now)?)
}

/// The calling walker takes no more offers.
///
/// # Errors
/// When the caller is no walker.
pub fn leave(sql: &impl Sql, caller: Caller) -> Result<(), Refusal> {
    if caller.role != Role::Walker {
        return Err(Refusal::Forbidden);
    }
    Ok(presence::remove(sql, caller.account)?)
}

/// The nearest present walkers, nearest first.
///
/// Looks in ever larger cells until the farthest one found is nearer than anything outside could be.
///
/// # Errors
/// When the limit is out of range.
pub fn nearest(sql: &impl Sql, place: GeoPoint, limit: u32) -> Result<Vec<NearbyWalker>, Refusal> {
    if !(1..=50).contains(&limit) {
        return invalid("limit", "must be 1 to 50");
    }
    let mut found = Vec::new();
    for characters in [6, 5, 4, 3, 2] {
        found = presence::around(sql, place, characters, limit)?
            .into_iter()
            .map(|(walker_id, at, rating_milli)| NearbyWalker {
                walker_id,
                distance_m: place.distance_m(at),
                rating_milli,
            })
            .collect::<Vec<_>>();
        found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(a.walker_id.cmp(&b.walker_id)));
        let reach = place.cell(characters).reach_m(place);
        let sure = found.last().is_some_and(|last| last.distance_m <= reach);
        if found.len() == limit as usize && sure {
            break;
        }
    }
    Ok(found)
}

/// Rides that wait and walkers that are free around a place.
///
/// # Errors
/// When the database fails.
pub fn demand_around(sql: &impl Sql, place: GeoPoint) -> Result<(u32, u32), Refusal> {
    Ok(presence::demand(sql, place)?)
}
