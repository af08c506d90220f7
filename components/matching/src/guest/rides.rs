//! `petwalker:matching/rides`.

use petwalker_kernel::Millis;
use petwalker_store::Ambient;

use super::bindings::Component;
use super::bindings::exports::petwalker::matching::rides::{
    Caller, Command, Guest, Offer, Purged, Refusal, ReplicaEvent, Ride, RideAction, RideOrder, RidePage,
    RideStatus, TickReport,
};
use super::{convert, region};
use crate::service::{self, Action};

fn ride_id(id: &str) -> Result<petwalker_kernel::RideId, service::Refusal> {
    id.parse().map_err(|_| service::Refusal::NotFound)
}

impl Guest for Component {
    fn region() -> Result<String, Refusal> {
        let sql = region().map_err(service::Refusal::from)?;
        Ok(petwalker_store::Region::read(&sql).map_err(service::Refusal::from)?.name)
    }

    fn request(command: Command, caller: Caller, order: RideOrder) -> Result<Ride, Refusal> {
        let caller = convert::caller(&caller)?;
        let request = convert::request(order)?;
        let command = convert::command(command, caller);
        let sql = region().map_err(service::Refusal::from)?;
        let view = Ambient::moment(|moment| service::request(&sql, moment, &command, caller, &request))?;
        Ok(convert::ride(view))
    }

    fn act(
        command: Command,
        caller: Caller,
        id: String,
        expected_version: Option<u32>,
        action: RideAction,
    ) -> Result<Ride, Refusal> {
        let caller = convert::caller(&caller)?;
        let command = convert::command(command, caller);
        let id = ride_id(&id)?;
        let action = match action {
            RideAction::Accept(terms) => Action::Accept(convert::terms(terms)),
            RideAction::Decline => Action::Decline,
            RideAction::Arrive(fix) => Action::Arrive(fix.map(convert::fix).transpose()?),
            RideAction::Start(pin) => Action::Start(pin),
            RideAction::Pause => Action::Pause,
            RideAction::Resume => Action::Resume,
            RideAction::Complete(walked) => Action::Complete(convert::walked(walked)),
            RideAction::Interrupt(i) => Action::Interrupt(convert::walked(i.walked), i.reason),
            RideAction::Cancel => Action::Cancel,
            RideAction::NoShow(fix) => Action::NoShow(fix.map(convert::fix).transpose()?),
            RideAction::RenewPin(key) => Action::RenewPin(convert::seal_key(key)?),
        };
        let sql = region().map_err(service::Refusal::from)?;
        let view = Ambient::moment(|moment| {
            service::act(&sql, moment, &command, caller, id, expected_version, &action)
        })?;
        Ok(convert::ride(view))
    }

    fn get(caller: Caller, id: String) -> Result<Ride, Refusal> {
        let caller = convert::caller(&caller)?;
        let sql = region().map_err(service::Refusal::from)?;
        Ok(convert::ride(service::get(&sql, caller, ride_id(&id)?)?))
    }

    fn list(caller: Caller, cursor: Option<String>, limit: u32) -> Result<RidePage, Refusal> {
        let caller = convert::caller(&caller)?;
        let cursor = cursor.map(|c| c.parse().map_err(|e| convert::invalid("cursor", e))).transpose()?;
        let sql = region().map_err(service::Refusal::from)?;
        let (views, next) = service::list(&sql, caller, cursor, limit)?;
        Ok(RidePage {
            rides: views.into_iter().map(convert::ride).collect(),
            next: next.map(|id| id.to_string()),
        })
    }

    fn statuses(ride_ids: Vec<String>) -> Result<Vec<Option<RideStatus>>, Refusal> {
        let ids: Vec<_> = ride_ids.iter().map(|id| id.parse().ok()).collect();
        let sql = region().map_err(service::Refusal::from)?;
        let found = service::statuses(&sql, &ids)?;
        Ok(found.into_iter().map(|status| status.and_then(convert::status)).collect())
    }

    fn offers(caller: Caller) -> Result<Vec<Offer>, Refusal> {
        let caller = convert::caller(&caller)?;
        let sql = region().map_err(service::Refusal::from)?;
        let views = Ambient::moment(|moment| service::offers(&sql, moment, caller))?;
        Ok(views.into_iter().map(convert::offer).collect())
    }

    fn offer_of(caller: Caller, id: String) -> Result<Offer, Refusal> {
        let caller = convert::caller(&caller)?;
        let id = ride_id(&id)?;
        let sql = region().map_err(service::Refusal::from)?;
        Ok(convert::offer(Ambient::moment(|moment| service::offer_of(&sql, moment, caller, id))?))
    }

    fn events_after(seq: u64, limit: u32) -> Result<Vec<Vec<u8>>, Refusal> {
        let sql = region().map_err(service::Refusal::from)?;
        Ok(service::events_after(&sql, seq, limit)?)
    }

    fn take_over(events: Vec<ReplicaEvent>) -> Result<u64, Refusal> {
        let events = events.into_iter().map(convert::owners_event).collect::<Result<_, _>>()?;
        let sql = region().map_err(service::Refusal::from)?;
        Ok(service::take_over(&sql, events)?)
    }

    fn erased_up_to() -> Result<u64, Refusal> {
        let sql = region().map_err(service::Refusal::from)?;
        Ok(service::erased_up_to(&sql)?)
    }

    fn forget(seq: u64, account_id: String) -> Result<(), Refusal> {
        let account_id = account_id.parse().map_err(|e| convert::invalid("account_id", e))?;
        let sql = region().map_err(service::Refusal::from)?;
        let erased = service::Erased { seq, account_id };
        Ok(Ambient::moment(|moment| service::forget(&sql, moment, &erased))?)
    }

    fn tick(details_days: u32) -> Result<TickReport, Refusal> {
        let kept_for = Millis::from_mins(i64::from(details_days) * 24 * 60);
        let sql = region().map_err(service::Refusal::from)?;
        let report = Ambient::moment(|moment| service::tick(&sql, moment, kept_for))?;
        for (ride, until, why) in &report.set_aside {
            eprintln!(
                "the timer of ride {ride} failed and is passed over until {} ms UTC: {why}",
                until.get()
            );
        }
        Ok(TickReport {
            waves: report.waves,
            expired: report.expired,
            set_aside: u32::try_from(report.set_aside.len()).unwrap_or(u32::MAX),
            next_due: report.next_due.map(convert::instant),
            purged: report
                .purged
                .into_iter()
                .map(|(what, rows)| Purged { what: what.to_owned(), rows })
                .collect(),
        })
    }
}
