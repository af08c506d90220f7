//! A socket that speaks `graphql-transport-ws`: operations inside, each followed by itself.
//!
//! The protocol is that of the `graphql-ws` library (its PROTOCOL.md), close codes included. What an operation means the
//! component decides: it is asked for a first step, and where that names a key, for another whenever the key has news.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, End};
use super::hub::{Heard, Hub, Watching};
use super::wire::{Operation, Stepped};
use crate::internal::Internal;
use crate::throttle::Throttle;

/// The subprotocol.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";
/// Operations that one socket may have under way.
const OPERATIONS_MAX: usize = 16;
/// Characters of an operation's id.
const ID_MAX: usize = 200;

/// A message of either side.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    id: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ConnectionInit,
    ConnectionAck,
    Ping,
    Pong,
    Subscribe,
    Next,
    Error,
    Complete,
}

#[derive(Serialize)]
struct Saying<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

fn say(kind: Kind, id: Option<&str>, payload: Option<&RawValue>) -> Result<Message, End> {
    let text = serde_json::to_string(&Saying { id, kind, payload });
    text.map(Message::text).map_err(|_| End::Unavailable)
}

const fn breach(code: u16, reason: &'static str) -> End {
    End::Breach { code, reason }
}

fn read(message: &Message) -> Result<Said<'_>, End> {
    let text = message.to_text().ok().filter(|_| message.is_text());
    let said = text.and_then(|text| serde_json::from_str(text).ok());
    said.ok_or(breach(4400, "not a message of graphql-transport-ws"))
}

/// The access token of a `connection_init`, as a header's value.
#[derive(Deserialize)]
struct Credentials {
    #[serde(alias = "Authorization")]
    authorization: String,
}

/// Waits for the client's `connection_init`; the token in it, where there is one.
pub(super) async fn introduction(connection: &mut Connection) -> Result<Option<String>, End> {
    loop {
        let message = connection.next().await?;
        let said = read(&message)?;
        match said.kind {
            Kind::ConnectionInit => {
                let credentials =
                    said.payload.and_then(|p| serde_json::from_str::<Credentials>(p.get()).ok());
                return Ok(credentials.map(|credentials| credentials.authorization));
            }
            Kind::Ping => connection.send(say(Kind::Pong, None, said.payload)?).await?,
            Kind::Pong => {}
            Kind::Subscribe => return Err(breach(4401, "send connection_init and wait for connection_ack")),
            _ => return Err(breach(4400, "a message that only the node sends")),
        }
    }
}

/// Executes operations.
#[derive(Clone)]
pub(super) struct Executor {
    pub internal: Internal,
    /// The internal path that takes an operation a step further.
    pub path: String,
    pub hub: Arc<Hub>,
    /// Who asks, in the component's own words.
    pub context: Bytes,
    pub throttle: Arc<Throttle>,
    pub asker: Asker,
}

/// Whom operations are counted for.
#[derive(Clone)]
pub(super) struct Asker {
    /// The socket's path.
    pub socket: String,
    pub client: IpAddr,
    pub account: Option<HeaderValue>,
}

impl Executor {
    /// Takes the first step of an operation, which counts as a request does.
    async fn begin(&self, request: &[u8]) -> Stepped {
        let Asker { socket, client, account } = &self.asker;
        match self.throttle.admit_operation(socket, *client, account.as_ref()) {
            Ok(()) => self.step(request, None).await,
            Err(retry_in_s) => refused(
                "too-many-requests",
                &format!("too many operations; nothing was changed, try again in {retry_in_s} s"),
            ),
        }
    }

    async fn step(&self, request: &[u8], cursor: Option<u64>) -> Stepped {
        let Ok(_share) = self.throttle.share(self.asker.client).await else {
            return refused(
                "too-many-requests",
                "your address has as many requests under way as the node takes",
            );
        };
        let operation = Operation { context: &self.context, request, cursor };
        match self.internal.ask(&self.path, &operation).await {
            Ok(stepped) => stepped,
            Err(error) => {
                tracing::warn!(%error, "an operation of a socket failed");
                refused("unavailable", "not possible right now")
            }
        }
    }
}

/// What the node itself says to an operation that it does not pass on.
fn refused(code: &'static str, message: &str) -> Stepped {
    let errors = serde_json::json!([{ "message": message, "extensions": { "code": code } }]);
    Stepped { payload: errors.to_string().into_bytes().into(), refused: true, key: None, cursor: 0 }
}

/// What an operation says to its client.
struct Word {
    id: Arc<str>,
    /// The operation's number on its socket: an id may be used again.
    number: u64,
    kind: Kind,
    payload: Vec<u8>,
}

/// An operation under way.
struct Running {
    executor: Executor,
    id: Arc<str>,
    number: u64,
    request: Bytes,
    words: mpsc::Sender<Word>,
}

impl Running {
    /// Says results until there are no more, or nobody listens.
    async fn run(self) {
        // Whoever does not listen has gone, or has ended the operation.
        drop(self.follow().await);
    }

    async fn follow(&self) -> Result<(), mpsc::error::SendError<Word>> {
        let mut stepped = self.executor.begin(&self.request).await;
        let mut told = stepped.payload.to_vec();
        let Some((key, mut watching)) = self.tell(&stepped).await?.map(|key| self.watch(key, stepped.cursor))
        else {
            return Ok(());
        };
        // Between the step and the watching something may have happened: then the next step says something else.
        let mut certain = false;
        loop {
            let next = self.executor.step(&self.request, Some(stepped.cursor)).await;
            if certain || next.key.is_none() || *next.payload != told {
                told = next.payload.to_vec();
                if self.tell(&next).await?.is_none() {
                    return Ok(());
                }
            }
            stepped = next;
            debug_assert!(stepped.key.as_deref() == Some(&*key), "an operation follows one key");
            certain = true;
            while let Heard::Item(item) = watching.next().await {
                if item.whole || item.to > stepped.cursor {
                    break;
                }
            }
        }
    }

    fn watch(&self, key: &str, cursor: u64) -> (Arc<str>, Watching) {
        let key: Arc<str> = key.into();
        let watching = self.executor.hub.watch(&key, cursor);
        (key, watching)
    }

    /// Says what a step came to. The key to wait for, where more is to come.
    async fn tell<'a>(&self, stepped: &'a Stepped) -> Result<Option<&'a str>, mpsc::error::SendError<Word>> {
        let kind = if stepped.refused { Kind::Error } else { Kind::Next };
        self.say(kind, stepped.payload.to_vec()).await?;
        if !stepped.refused && stepped.key.is_none() {
            self.say(Kind::Complete, Vec::new()).await?;
        }
        Ok(stepped.key.as_deref().filter(|_| !stepped.refused))
    }

    async fn say(&self, kind: Kind, payload: Vec<u8>) -> Result<(), mpsc::error::SendError<Word>> {
        self.words.send(Word { id: self.id.clone(), number: self.number, kind, payload }).await
    }
}

/// The operations of one socket.
pub(super) struct Subscriber {
    executor: Executor,
    tasks: JoinSet<()>,
    running: HashMap<Arc<str>, (u64, AbortHandle)>,
    started: u64,
}

impl Subscriber {
    pub(super) fn new(executor: Executor) -> Self {
        Self { executor, tasks: JoinSet::new(), running: HashMap::new(), started: 0 }
    }

    /// Runs operations until the socket ends; why it does. They end with it.
    pub(super) async fn run(mut self, connection: &mut Connection) -> End {
        // One word waits at most: a client that reads slowly holds its operations up, and they skip what is old.
        let (words, mut said) = mpsc::channel(1);
        loop {
            let done = tokio::select! {
                message = connection.next() => match message {
                    Ok(message) => self.hear(connection, &message, &words).await,
                    Err(end) => Err(end),
                },
                Some(word) = said.recv() => self.pass_on(connection, &word).await,
                // Only to forget tasks that have ended.
                Some(_) = self.tasks.join_next() => Ok(()),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn hear(
        &mut self,
        connection: &mut Connection,
        message: &Message,
        words: &mpsc::Sender<Word>,
    ) -> Result<(), End> {
        let said = read(message)?;
        match (said.kind, said.id, said.payload) {
            (Kind::Ping, _, payload) => connection.send(say(Kind::Pong, None, payload)?).await,
            (Kind::Pong, _, _) => Ok(()),
            (Kind::ConnectionInit, _, _) => Err(breach(4429, "connection_init came twice")),
            (Kind::Subscribe, Some(id), Some(request)) if (1..=ID_MAX).contains(&id.len()) => {
                self.start(id.into(), Bytes::copy_from_slice(request.get().as_bytes()), words.clone())
            }
            (Kind::Complete, Some(id), _) => {
                if let Some((_, task)) = self.running.remove(&*id) {
                    task.abort();
                }
                Ok(())
            }
            _ => Err(breach(4400, "a message that is incomplete, or only the node's to send")),
        }
    }

    fn start(&mut self, id: Arc<str>, request: Bytes, words: mpsc::Sender<Word>) -> Result<(), End> {
        if self.running.contains_key(&id) {
            return Err(breach(4409, "an operation with this id is under way"));
        }
        if self.running.len() >= OPERATIONS_MAX {
            return Err(breach(4429, "too many operations are under way"));
        }
        self.started += 1;
        let number = self.started;
        let running = Running { executor: self.executor.clone(), id: id.clone(), number, request, words };
        let task = self.tasks.spawn(running.run());
        self.running.insert(id, (number, task));
        Ok(())
    }

    async fn pass_on(&mut self, connection: &mut Connection, word: &Word) -> Result<(), End> {
        if self.running.get(&word.id).is_none_or(|(number, _)| *number != word.number) {
            // It was ended while the word was on its way.
            return Ok(());
        }
        if matches!(word.kind, Kind::Complete | Kind::Error) {
            self.running.remove(&word.id);
        }
        let payload = match &word.payload[..] {
            [] => None,
            json => Some(serde_json::from_slice(json).map_err(|_| End::Unavailable)?),
        };
        connection.send(say(word.kind, Some(&word.id), payload)?).await
    }
}

/// Says that the socket may be used.
pub(super) async fn acknowledge(connection: &mut Connection) -> Result<(), End> {
    connection.send(say(Kind::ConnectionAck, None, None)?).await
}

#[cfg(test)]
mod tests {
    use super::{End, Kind, Message, read, say};

    #[test]
    fn messages_are_read_and_said_as_the_protocol_spells_them() {
        let message = Message::text(r#"{"id":"1","type":"subscribe","payload":{"query":"{ me { id } }"}}"#);
        let said = read(&message).expect("read");
        assert_eq!((said.kind, said.id.as_deref()), (Kind::Subscribe, Some("1")));
        let again = say(said.kind, said.id.as_deref(), said.payload).expect("said");
        assert_eq!(
            again,
            Message::text(r#"{"id":"1","type":"subscribe","payload":{"query":"{ me { id } }"}}"#)
        );
        assert_eq!(
            say(Kind::ConnectionAck, None, None).expect("said"),
            Message::text(r#"{"type":"connection_ack"}"#)
        );
    }

    #[test]
    fn what_is_no_message_ends_the_socket() {
        for message in [
            Message::text(""),
            Message::text("{}"),
            Message::text(r#"{"type":"start"}"#),
            Message::text("[".repeat(10_000)),
            Message::binary(vec![0x7b, 0x7d]),
        ] {
            assert!(matches!(read(&message), Err(End::Breach { code: 4400, .. })), "{message:?}");
        }
    }
}
