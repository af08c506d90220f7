//! What the caller was told.

use super::Outcome;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::notifications::inbox::{self, NotificationPage};

pub async fn list(
    caller: Caller,
    cursor: Option<String>,
    limit: u32,
    locale: String,
) -> Outcome<NotificationPage> {
    Ok(inbox::list(caller, cursor, limit, locale).await?)
}

/// How many are unread then.
pub async fn mark_read(caller: Caller, up_to: String) -> Outcome<u32> {
    Ok(inbox::mark_read(caller, up_to).await?)
}
