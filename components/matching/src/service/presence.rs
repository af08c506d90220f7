//! Where walkers are.

use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, UtcMillis};
use petwalker_store::Sql;

use super::{Caller, Refusal, invalid};
use crate::domain::{Role, blurred, told_m};
use crate::sql::presence::{self, Presence};

/// A walker is taken to be present for so long after they said so last.
pub const PRESENCE_LASTS: Millis = Millis::from_mins(15);

/// The moment since which a walker must have said where they are to be present at `now`.
pub(super) const fn present_since(now: UtcMillis) -> UtcMillis {
    now.plus(Millis::new(-PRESENCE_LASTS.get()))
}

/// A walker near a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearbyWalker {
    /// Who.
    pub walker_id: AccountId,
    /// Metres from the place where the walker is shown, in steps of 500.
    pub distance_m: u32,
    /// Mean rating in thousandths of a star.
    pub rating_milli: u32,
}

/// The calling walker is there and takes offers, for [`PRESENCE_LASTS`].
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
    let key = presence::blur_key(sql)?;
    let shown = blurred(&key, presence.walker_id, presence.place, moment.now);
    Ok(presence::put(sql, &presence, shown, moment.now)?)
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

/// The nearest present walkers, nearest first, by where they are shown: their own places have no part in it, so that no
/// number of questions tells more than those.
///
/// Looks in ever larger cells until the farthest one found is nearer than anything outside could be.
///
/// # Errors
/// When the limit is out of range.
pub fn nearest(
    sql: &impl Sql,
    now: UtcMillis,
    place: GeoPoint,
    limit: u32,
) -> Result<Vec<NearbyWalker>, Refusal> {
    if !(1..=50).contains(&limit) {
        return invalid("limit", "must be 1 to 50");
    }
    let mut found = Vec::new();
    for characters in [6, 5, 4, 3, 2] {
        found = presence::shown_around(sql, place, characters, limit, present_since(now))?
            .into_iter()
            .map(|(walker_id, shown, rating_milli)| (place.distance_m(shown), walker_id, rating_milli))
            .collect::<Vec<_>>();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let reach = place.cell(characters).reach_m(place);
        let sure = found.last().is_some_and(|(distance_m, ..)| *distance_m <= reach);
        if found.len() == limit as usize && sure {
            break;
        }
    }
    let told = |(distance_m, walker_id, rating_milli)| NearbyWalker {
        walker_id,
        distance_m: told_m(distance_m),
        rating_milli,
    };
    Ok(found.into_iter().map(told).collect())
}

/// Tutors whose rides wait and walkers that are free around a place.
///
/// # Errors
/// When the database fails.
pub fn demand_around(sql: &impl Sql, now: UtcMillis, place: GeoPoint) -> Result<(u32, u32), Refusal> {
    Ok(presence::demand(sql, place, present_since(now))?)
}
