//! The component: bindings, and conversions between them and the domain.

mod bindings;

use petwalker_kernel::UtcMillis;
use petwalker_store::Database;

use self::bindings::Component;
use self::bindings::exports::petwalker::insights::figures as wit;
use crate::domain::{Happening, SpanError};
use crate::service::{self, Refusal};
use crate::sql::Day;

fn global() -> Result<Database, Refusal> {
    Ok(Database::open("global")?)
}

fn happening(happening: wit::Happening) -> Happening {
    Happening {
        event_type: happening.event_type,
        at: UtcMillis::new(happening.at.epoch_ms),
        offers: happening.offers,
        walked_ms: happening.walked_ms,
        walked_m: happening.walked_m,
    }
}

fn day(day: Day) -> wit::Day {
    let tally = day.tally;
    wit::Day {
        region: day.region,
        date: day.date,
        requested: tally.requested,
        offers: tally.offers,
        accepted: tally.accepted,
        completed: tally.completed,
        interrupted: tally.interrupted,
        cancelled: tally.cancelled,
        expired: tally.expired,
        no_shows: tally.no_shows,
        walked_s: tally.walked_ms / 1_000,
        walked_m: tally.walked_m,
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        let (code, field) = match &refusal {
            Refusal::Span(SpanError::Day(field)) => (wit::RefusalCode::Invalid, Some((*field).to_owned())),
            Refusal::Span(SpanError::Length) => (wit::RefusalCode::Invalid, Some("until".to_owned())),
            Refusal::Forbidden => (wit::RefusalCode::Forbidden, None),
            Refusal::Offset(_) => (wit::RefusalCode::Invalid, None),
            Refusal::Sql(_) => (wit::RefusalCode::Unavailable, None),
        };
        Self { code, message: refusal.to_string(), field }
    }
}

impl wit::Guest for Component {
    async fn offset(stream: String) -> Result<u64, wit::Refusal> {
        Ok(service::offset(&global()?, &stream)?)
    }

    async fn consume(
        run: wit::EventRun,
        region: String,
        happenings: Vec<wit::Happening>,
    ) -> Result<(), wit::Refusal> {
        let happenings: Vec<_> = happenings.into_iter().map(happening).collect();
        Ok(service::consume(&global()?, &run.stream, (run.first, run.last), &region, &happenings)?)
    }

    async fn days(
        caller: wit::Caller,
        since: String,
        until: String,
        region: Option<String>,
    ) -> Result<Vec<wit::Day>, wit::Refusal> {
        let is_operator = caller.role == wit::CallerRole::Operator;
        let days = service::days(&global()?, is_operator, &since, &until, region.as_deref())?;
        Ok(days.into_iter().map(day).collect())
    }
}
