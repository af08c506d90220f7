//! What the caller was told.

use serde::Deserialize;
use utoipa::IntoParams;

use super::{Json, Problems, default_limit};
use crate::guest::api::{ReadBody, Unread};
use crate::guest::bindings::petwalker::notifications::inbox::NotificationPage;
use crate::guest::extract::{Auth, Call, Query};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// Which page of the inbox, and in which language.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
    /// At most so many, 1 to 100.
    #[serde(default = "default_limit")]
    limit: u32,
    /// The language (BCP 47), or the closest there is.
    #[serde(default = "default_locale")]
    locale: String,
}

fn default_locale() -> String {
    "pt-BR".to_owned()
}

/// The caller's inbox, newest first.
#[utoipa::path(get, path = "/v1/notifications", tag = "notifications", security(("bearer" = [])), params(Inbox),
    responses((status = 200, body = NotificationPage), Problems))]
pub async fn list(Auth(caller): Auth, Query(page): Query<Inbox>) -> Result<Json<NotificationPage>, Problem> {
    local(ops::notifications::list(caller, page.cursor, page.limit, page.locale)).await.map(Json)
}

/// Marks as read what the caller was told up to a notification, itself included.
#[utoipa::path(put, path = "/v1/notifications/read", tag = "notifications", security(("bearer" = [])),
    request_body = ReadBody, responses((status = 200, body = Unread), Problems))]
pub async fn mark_read(call: Call<ReadBody>) -> Result<Json<Unread>, Problem> {
    local(ops::notifications::mark_read(call.context.caller, call.body.up_to))
        .await
        .map(|unread| Json(Unread { unread }))
}
