//! The component: bindings, and conversions between them and the domain.

mod bindings;

use petwalker_store::{Ambient, Database};

use self::bindings::Component;
use self::bindings::exports::petwalker::notifications::inbox as wit;
use crate::domain::{Happening, Role};
use crate::service::{self, Refusal};
use crate::sql::Notification;

fn global() -> Result<Database, Refusal> {
    Ok(Database::open("global")?)
}

fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, Refusal>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Refusal::Invalid { field, message: e.to_string() })
}

const fn role(role: wit::CallerRole) -> Role {
    match role {
        wit::CallerRole::Tutor => Role::Tutor,
        wit::CallerRole::Walker => Role::Walker,
        wit::CallerRole::Operator => Role::Operator,
        wit::CallerRole::Partner => Role::Partner,
    }
}

fn happening(happening: &wit::Happening) -> Result<Happening, Refusal> {
    let walker_id = happening.walker_id.as_deref().map(|id| parse("walker_id", id)).transpose()?;
    let offered_to =
        happening.offered_to.iter().map(|id| parse("offered_to", id)).collect::<Result<_, _>>()?;
    Ok(Happening {
        event_id: parse("event_id", &happening.event_id)?,
        event_type: happening.event_type.clone(),
        ride_id: parse("ride_id", &happening.ride_id)?,
        tutor_id: parse("tutor_id", &happening.tutor_id)?,
        walker_id,
        by: happening.by.map(role),
        offered_to,
        at: petwalker_kernel::UtcMillis::new(happening.at.epoch_ms),
    })
}

fn notification(told: Notification) -> wit::Notification {
    wit::Notification {
        id: told.id.to_string(),
        kind: told.kind,
        ride_id: told.ride_id.to_string(),
        title: told.title,
        body: told.body,
        at: wit::Instant { epoch_ms: told.at.get() },
        read: told.read,
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        let (code, field) = match &refusal {
            Refusal::Invalid { field, .. } => (wit::RefusalCode::Invalid, Some((*field).to_owned())),
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

    async fn consume(run: wit::EventRun, happenings: Vec<wit::Happening>) -> Result<u32, wit::Refusal> {
        let happenings = happenings.iter().map(happening).collect::<Result<Vec<_>, _>>()?;
        let told = service::consume(&global()?, &run.stream, (run.first, run.last), &happenings)?;
        Ok(u32::try_from(told).unwrap_or(u32::MAX))
    }

    async fn list(
        caller: wit::Caller,
        cursor: Option<String>,
        limit: u32,
        locale: String,
    ) -> Result<wit::NotificationPage, wit::Refusal> {
        let account = parse("caller.account_id", &caller.account_id)?;
        let cursor = cursor.map(|cursor| parse("cursor", &cursor)).transpose()?;
        let page = service::list(&global()?, account, cursor, limit, &locale)?;
        Ok(wit::NotificationPage {
            notifications: page.notifications.into_iter().map(notification).collect(),
            next: page.next.map(|id| id.to_string()),
            unread: page.unread,
        })
    }

    async fn forget(account_id: String) -> Result<(), wit::Refusal> {
        Ok(service::forget(&global()?, parse("account_id", &account_id)?)?)
    }

    async fn purge() -> Result<u64, wit::Refusal> {
        Ok(service::purge(&global()?, Ambient::now())?)
    }

    async fn mark_read(caller: wit::Caller, up_to: String) -> Result<u32, wit::Refusal> {
        let account = parse("caller.account_id", &caller.account_id)?;
        Ok(service::mark_read(&global()?, account, parse("up_to", &up_to)?)?)
    }
}
