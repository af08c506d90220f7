//! Reading rides and offers.

use petwalker_kernel::{Moment, RideId};
use petwalker_store::{Sql, read_after};

use super::{Caller, Refusal, RideView, invalid};
use crate::domain::{Ride, Role};
use crate::sql::offers::OpenOffer;
use crate::sql::rides::{Details, Status};
use crate::sql::{offers as offer_rows, rides};

/// Bytes of records after which no more are told at once.
const RECORDS_BYTES_MAX: usize = 4 << 20;

/// An open offer with what the walker must know of the ride.
#[derive(Clone, Debug)]
pub struct OfferView {
    /// The offer.
    pub offer: OpenOffer,
    /// The ride.
    pub ride: Ride,
}

/// A ride as the caller may see it.
pub(super) fn view(caller: Caller, ride: Ride, details: Option<Details>) -> RideView {
    let tutor = ride.order.tutor_id == caller.account;
    let walker = ride.commitment().is_some_and(|by| by.walker_id == caller.account);
    let sees = tutor || walker || caller.role == Role::Operator;
    let Some(details) = details.filter(|_| sees) else {
        return RideView { ride, pickup: None, notes: None, pin: None };
    };
    RideView {
        ride,
        pickup: Some(details.pickup),
        notes: Some(details.notes),
        pin: tutor.then_some(details.pin),
    }
}

/// A ride as a command left it, for whoever repeats the command: its details are those that the caller may see now.
pub(super) fn again(sql: &impl Sql, caller: Caller, ride: Ride) -> Result<RideView, Refusal> {
    let (current, details) = rides::find_detailed(sql, ride.order.id)?.ok_or(Refusal::NotFound)?;
    Ok(RideView { ride, ..view(caller, current, details) })
}

/// A ride of the caller's. An offer of it makes it nobody's: see [`offer_of`].
///
/// # Errors
/// When there is none of that id, or it is not the caller's.
pub fn get(sql: &impl Sql, caller: Caller, id: RideId) -> Result<RideView, Refusal> {
    let (ride, details) = rides::find_detailed(sql, id)?.ok_or(Refusal::NotFound)?;
    let mine = match caller.role {
        Role::Operator => true,
        Role::Tutor => ride.order.tutor_id == caller.account,
        Role::Walker => ride.commitment().is_some_and(|by| by.walker_id == caller.account),
        Role::Partner => false,
    };
    if !mine {
        return Err(Refusal::NotFound);
    }
    Ok(view(caller, ride, details))
}

/// The calling walker's offer of a ride, as long as it is open.
///
/// # Errors
/// When there is none.
pub fn offer_of(
    sql: &impl Sql,
    moment: &Moment<'_>,
    caller: Caller,
    id: RideId,
) -> Result<OfferView, Refusal> {
    if caller.role != Role::Walker {
        return Err(Refusal::NotFound);
    }
    let offer = offer_rows::open_one(sql, id, caller.account, moment.now)?.ok_or(Refusal::NotFound)?;
    let ride = rides::find(sql, id)?.ok_or(Refusal::NotFound)?;
    Ok(OfferView { offer, ride })
}

/// How rides stand, in the order asked; none for what is no ride.
///
/// # Errors
/// When the database fails.
pub fn statuses(sql: &impl Sql, ids: &[Option<RideId>]) -> Result<Vec<Option<Status>>, Refusal> {
    let known: Vec<RideId> = ids.iter().flatten().copied().collect();
    let found = rides::statuses(sql, &known)?;
    Ok(ids.iter().map(|id| found.get(id.as_ref()?).cloned()).collect())
}

/// The caller's rides, newest first, and where the next page begins.
///
/// # Errors
/// When the limit is out of range.
pub fn list(
    sql: &impl Sql,
    caller: Caller,
    cursor: Option<RideId>,
    limit: u32,
) -> Result<(Vec<RideView>, Option<RideId>), Refusal> {
    if !(1..=100).contains(&limit) {
        return invalid("limit", "must be 1 to 100");
    }
    let mut page = match caller.role {
        Role::Operator => rides::page_all(sql, cursor, limit + 1)?,
        Role::Partner => return Err(Refusal::Forbidden),
        role => rides::page(sql, caller.account, role == Role::Walker, cursor, limit + 1)?,
    };
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let next = page.last().filter(|_| more).map(|(ride, _)| ride.order.id);
    Ok((page.into_iter().map(|(ride, details)| view(caller, ride, details)).collect(), next))
}

/// The calling walker's open offers.
///
/// # Errors
/// When the caller is no walker.
pub fn offers(sql: &impl Sql, moment: &Moment<'_>, caller: Caller) -> Result<Vec<OfferView>, Refusal> {
    if caller.role != Role::Walker {
        return Err(Refusal::Forbidden);
    }
    let mut views = Vec::new();
    for offer in offer_rows::open_for(sql, caller.account, moment.now)? {
        if let Some(ride) = rides::find(sql, offer.ride_id)? {
            views.push(OfferView { offer, ride });
        }
    }
    Ok(views)
}

/// Records of the region's log after a sequence number, in order.
///
/// # Errors
/// When the limit is out of range.
pub fn events_after(sql: &impl Sql, seq: u64, limit: u32) -> Result<Vec<Vec<u8>>, Refusal> {
    if !(1..=512).contains(&limit) {
        return invalid("limit", "must be 1 to 512");
    }
    let mut bytes = 0;
    let records = read_after(sql, seq, limit)?.into_iter().map(|(_, record)| record);
    // The first is told however long it is, or a reader would never get past it.
    let told = records.take_while(|record| {
        let before = bytes;
        bytes += record.len();
        before == 0 || bytes <= RECORDS_BYTES_MAX
    });
    Ok(told.collect())
}
