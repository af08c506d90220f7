//! A socket whose client is told what is new of a key, each thing once and in order.

use std::sync::Arc;

use bytes::Bytes;

use super::connection::{Connection, End};
use super::format::{Format, Packed};
use super::hub::{Heard, Hub, Item, Watching};
use super::wire::{News, Reading};
use crate::internal::{Internal, InternalError};

/// Asks the component what is new.
#[derive(Clone)]
pub(super) struct Reader {
    pub internal: Internal,
    /// The internal path that tells.
    pub path: String,
}

impl Reader {
    /// What is new of a key, for everybody or for the watcher of that context.
    pub(super) async fn read(
        &self,
        key: &str,
        cursor: u64,
        context: Option<&[u8]>,
    ) -> Result<Item, InternalError> {
        let News { from, to, body, over, audience, .. } =
            self.internal.ask(&self.path, &Reading { key, cursor, context }).await?;
        Ok(Item { from, to, body: Packed::new(body.into_vec()), whole: true, over, audience })
    }

    /// Reads what changed and tells those who watch it, for ever.
    pub(super) async fn follow(self, hub: Arc<Hub>) {
        loop {
            for (key, cursor) in hub.changes().await {
                match self.read(&key, cursor, None).await {
                    Ok(item) => hub.publish_read(&key, item),
                    Err(error) => {
                        tracing::warn!(%error, "what changed could not be read; trying again");
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                        hub.changed(&key);
                    }
                }
            }
        }
    }
}

/// What a watching socket is about.
pub(super) struct Watcher {
    pub key: Arc<str>,
    pub format: Format,
    pub reader: Reader,
    pub watching: Watching,
    /// Up to where the client was told.
    pub cursor: u64,
    /// Who watches, in the component's own words.
    pub context: Bytes,
    /// What it depended on, when the component was last asked whether this client may be told; none before it was.
    pub audience: Option<String>,
}

impl Watcher {
    /// Tells news until the socket ends; why it does. The client has been told the `greeting`.
    pub(super) async fn run(mut self, connection: &mut Connection, greeting: &Packed) -> End {
        // Something may have happened between the permission and the first news.
        if let Err(end) = self.catch_up(connection, Some(greeting)).await {
            return end;
        }
        loop {
            let heard = tokio::select! {
                message = connection.next() => match message {
                    Ok(_) => return End::Policy,
                    Err(end) => return end,
                },
                heard = self.watching.next() => heard,
            };
            let told = match heard {
                // Whether this client may still be told is asked before anything is.
                Heard::Item(item) if self.audience.as_ref() != Some(&item.audience) => {
                    self.catch_up(connection, None).await
                }
                Heard::Item(item) if item.from == self.cursor => self.tell(connection, &item).await,
                Heard::Item(item) if item.to <= self.cursor && !item.whole => Ok(()),
                Heard::Item(_) | Heard::Behind => self.catch_up(connection, None).await,
            };
            if let Err(end) = told {
                return end;
            }
        }
    }

    /// Reads and tells everything after the cursor, if this client may be told; where that is nothing, how things stand,
    /// unless that is `known`.
    async fn catch_up(&mut self, connection: &mut Connection, known: Option<&Packed>) -> Result<(), End> {
        let mut first = true;
        loop {
            let read = self.reader.read(&self.key, self.cursor, Some(&self.context)).await;
            let item = read.map_err(|error| refused(&error))?;
            self.audience = Some(item.audience.clone());
            let more = item.to > self.cursor;
            let stands = std::mem::take(&mut first) && known.is_none_or(|known| !known.says(&item.body));
            if more || item.over || stands {
                self.tell(connection, &item).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn tell(&mut self, connection: &mut Connection, item: &Item) -> Result<(), End> {
        connection.send(item.body.message(self.format).ok_or(End::Unavailable)?).await?;
        self.cursor = item.to;
        if item.over { Err(End::Over) } else { Ok(()) }
    }
}

/// Why a socket ends whose client cannot be told what is new.
fn refused(error: &InternalError) -> End {
    if let InternalError::Status { status: 401 | 403 | 404, .. } = error {
        return End::Forbidden;
    }
    tracing::warn!(%error, "a watcher could not be told");
    End::Unavailable
}
