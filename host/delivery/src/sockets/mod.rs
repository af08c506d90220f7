//! The socket bridge: WebSockets outside, in-process HTTP calls inside.
//!
//! Which paths take sockets and which internal paths they turn into is configured. A client that connects is shown to the
//! component with its token (`open`), and gets a socket only if the component says so. A path of `send` takes frames,
//! gathers them with those of other sockets, and posts them (`take`); each frame gets its answer. A path of `watch` is told
//! what is new of a key: news come with the answers to frames, or are read (`read`) where something else changed it.
//! A path of `subscribe` speaks `graphql-transport-ws`: its operations are taken a step further (`subscribe`) whenever their
//! key has news. What frames, news and operations mean, the bridge does not know.

mod connection;
mod format;
mod gather;
mod handshake;
mod hub;
mod queue;
mod sender;
mod subscriber;
mod supervise;
mod watcher;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge_runtime::route::Pattern;
use edge_runtime::{Body, Lane};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use self::connection::{Connection, End};
use self::format::{Format, Packed};
use self::gather::Gatherer;
use self::handshake::Handshake;
pub use self::hub::Hub;
pub(crate) use self::hub::{Mark, Waiting};
use self::queue::Queue;
use self::sender::Sender;
use self::subscriber::{Asker, Executor, Subscriber};
use self::supervise::supervise;
use self::watcher::{Reader, Watcher};
use self::wire::{Opened, Opening};
use crate::internal::Internal;
use crate::problem::{of_call, problem};
use crate::throttle::{ACCOUNT, Counts, Hold, Throttle, counted};

/// What the bridge is told by the node file.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Begins the names of the subprotocols: `.json` and `.msgpack` are added.
    pub protocol: String,
    /// Paths whose clients send frames.
    pub send: Vec<Pattern>,
    /// Paths whose clients are told news.
    pub watch: Vec<Pattern>,
    /// Paths whose clients speak `graphql-transport-ws`.
    pub subscribe: Vec<Pattern>,
    /// The internal path that permits sockets.
    pub open_path: String,
    /// The internal path that takes frames.
    pub take_path: String,
    /// The internal path that tells what is new.
    pub read_path: String,
    /// The internal path that takes an operation a step further.
    pub subscribe_path: String,
    /// How long the first frame of a batch waits for others.
    pub gather: Duration,
    /// Limits on sockets.
    pub limits: Limits,
}

/// Limits on sockets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sockets open at once.
    pub sockets_max: usize,
    /// Those of one address (of IPv6, of one /64) among them.
    pub per_address_max: usize,
    /// Those of one account.
    pub per_account_max: usize,
    /// Bytes of one frame.
    pub frame_bytes_max: usize,
    /// Between pings. A client that says nothing from one to the next is given up.
    pub ping_interval: Duration,
}

/// A client that subscribes has this long to say who it is.
const INTRODUCTION_MAX: Duration = Duration::from_secs(10);

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Send,
    Watch,
    Subscribe,
}

/// The answer to a client that gets no socket.
struct Refusal(Box<Response<Body>>);

impl From<Response<Body>> for Refusal {
    fn from(response: Response<Body>) -> Self {
        Self(Box::new(response))
    }
}

/// The bridge.
pub struct Sockets {
    options: SocketOptions,
    internal: Internal,
    reader: Reader,
    hub: Arc<Hub>,
    frames: Arc<Queue>,
    permits: Arc<Semaphore>,
    by_address: Arc<Counts<IpAddr>>,
    by_account: Arc<Counts<HeaderValue>>,
    throttle: Arc<Throttle>,
    stop: watch::Receiver<bool>,
}

/// What a socket holds while it is open.
struct Place {
    _permit: OwnedSemaphorePermit,
    _of_address: Hold<IpAddr>,
}

/// What the component permits, and the account that it is counted for.
struct Permission {
    opened: Opened,
    account: Option<HeaderValue>,
    of_account: Option<Hold<HeaderValue>>,
}

impl Sockets {
    /// A bridge to the component behind `internal`. Its tasks end with the node.
    #[must_use]
    pub fn new(
        options: SocketOptions,
        internal: Internal,
        hub: Arc<Hub>,
        throttle: Arc<Throttle>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let frames = Arc::new(Queue::default());
        let gatherer = Gatherer {
            internal: internal.clone(),
            path: options.take_path.clone(),
            hub: hub.clone(),
            gather: options.gather,
            queue: frames.clone(),
        };
        tokio::spawn(supervise("gatherer", move || gatherer.clone().run()));
        let reader = |internal| Reader { internal, path: options.read_path.clone() };
        let mut stopped = stop.clone();
        let (following, followed) = (reader(internal.clone()), hub.clone());
        let following = supervise("reader", move || following.clone().follow(followed.clone()));
        // What a client causes queues with the others', and not before the node's own.
        let internal = internal.in_lane(Lane::Held);
        let reader = reader(internal.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = following => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
        let permits = Arc::new(Semaphore::new(options.limits.sockets_max));
        let by_address = Counts::new(options.limits.per_address_max);
        let by_account = Counts::new(options.limits.per_account_max);
        Arc::new(Self {
            options,
            internal,
            reader,
            hub,
            frames,
            permits,
            by_address,
            by_account,
            throttle,
            stop,
        })
    }

    /// Whether a request asks for a socket at a path that takes them.
    #[must_use]
    pub fn wants<B>(&self, request: &Request<B>) -> bool {
        request.method() == Method::GET
            && header_has(request.headers(), &header::UPGRADE, "websocket")
            && self.kind(request.uri().path()).is_some()
    }

    /// Says that something of the key changed: those who watch it are told what.
    pub fn changed(&self, key: &str) {
        self.hub.changed(key);
    }

    /// Whether a socket at that path takes frames.
    pub(crate) fn takes_frames(&self, path: &str) -> bool {
        self.kind(path) == Some(Kind::Send)
    }

    /// Takes no frame any more: each is refused from now on, to be sent again elsewhere. Returns once what was taken is stored.
    pub async fn take_no_more(&self) {
        self.frames.close().await;
    }

    /// Waits until every socket has ended. Call it when the node stops: no socket is opened any more, and each takes its leave.
    pub async fn ended(&self) {
        let all = u32::try_from(self.options.limits.sockets_max).unwrap_or(u32::MAX);
        // Never closed, so never an error.
        drop(self.permits.acquire_many(all).await);
    }

    fn kind(&self, path: &str) -> Option<Kind> {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_match(path));
        if any(&self.options.send) {
            Some(Kind::Send)
        } else if any(&self.options.watch) {
            Some(Kind::Watch)
        } else {
            any(&self.options.subscribe).then_some(Kind::Subscribe)
        }
    }

    /// Answers a request of a client at that address for a socket: 101 and a socket, or why not.
    pub async fn accept<B>(self: Arc<Self>, mut request: Request<B>, client: IpAddr) -> Response<Body> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _body) = request.into_parts();
        match self.shake_hands(&parts, client, upgrade).await {
            Ok(response) => response,
            Err(Refusal(response)) => *response,
        }
    }

    async fn shake_hands(
        self: Arc<Self>,
        request: &http::request::Parts,
        client: IpAddr,
        upgrade: OnUpgrade,
    ) -> Result<Response<Body>, Refusal> {
        let Some(kind) = self.kind(request.uri.path()) else {
            let detail = "nothing answers at this path";
            return Err(problem(StatusCode::NOT_FOUND, "no-route", detail).into());
        };
        let handshake = Handshake::read(&request.headers, kind, &self.options.protocol)?;
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            let detail = "the node has no more sockets to give";
            return Err(problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).into());
        };
        let Some(of_address) = self.by_address.hold(counted(client)) else {
            return Err(too_many("this address", self.options.limits.per_address_max).into());
        };
        let place = Place { _permit: permit, _of_address: of_address };
        let authorization = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let path = request.uri.path();
        let answer = handshake.answer();
        if kind == Kind::Subscribe {
            // Who it is, such a client tells once it is connected.
            let (path, authorization) = (path.to_owned(), authorization.map(str::to_owned));
            tokio::spawn(self.converse(upgrade, (path, client), authorization, place));
        } else {
            let permission = self.permission(path, request.uri.query(), authorization).await?;
            let sends = kind == Kind::Send;
            tokio::spawn(self.serve(upgrade, sends, handshake.format, permission, place));
        }
        Ok(answer)
    }

    /// Asks the component. What it refuses with is the client's answer.
    async fn permission(
        &self,
        path: &str,
        query: Option<&str>,
        authorization: Option<&str>,
    ) -> Result<Permission, Refusal> {
        let opening = Opening { path, query, authorization };
        let failed = |detail: &dyn std::fmt::Display| {
            tracing::error!(%detail, "the component's answer about a socket cannot be read");
            Refusal::from(problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "component-failed",
                "the component failed",
            ))
        };
        let body = rmp_serde::to_vec_named(&opening).map_err(|e| failed(&e))?;
        let response = match self.internal.send(&self.options.open_path, body).await {
            Ok(response) => response,
            Err(crate::internal::InternalError::Call(error)) => return Err(of_call(&error).into()),
            Err(error) => return Err(failed(&error)),
        };
        if response.status().is_success() {
            let account = response.headers().get(ACCOUNT);
            let of_account = match account.map(|account| self.by_account.hold(account.clone())) {
                Some(None) => {
                    return Err(too_many("this account", self.options.limits.per_account_max).into());
                }
                held => held.flatten(),
            };
            let opened = rmp_serde::from_slice(response.body()).map_err(|e| failed(&e))?;
            let account = account.cloned();
            return Ok(Permission { opened, account, of_account });
        }
        Err(response.map(edge_runtime::full_body).into())
    }

    async fn serve(
        self: Arc<Self>,
        upgrade: OnUpgrade,
        sends: bool,
        format: Format,
        permission: Permission,
        place: Place,
    ) {
        let Permission { opened, of_account, .. } = permission;
        let until = (Instant::now() + left(opened.until_ms), End::Token);
        let Some(mut connection) = self.connect(upgrade, until).await else { return };
        let greeting = Packed::new(opened.greeting.into_vec());
        let key: Arc<str> = opened.key.into();
        let open = metrics::gauge!("sockets_open");
        open.increment(1.0);
        let greeted = match greeting.message(format) {
            Some(message) => connection.send(message).await,
            None => Err(End::Unavailable),
        };
        let end = match (greeted, sends) {
            (Err(end), _) => end,
            (Ok(()), true) => {
                let context = opened.context.into_vec().into();
                let (frames, number) = (self.frames.clone(), self.frames.number());
                let sender = Sender { key, context, format, frames, number };
                sender.run(&mut connection).await
            }
            (Ok(()), false) => {
                let watching = self.hub.watch(&key, opened.cursor);
                let reader = self.reader.clone();
                let (cursor, context) = (opened.cursor, opened.context.into_vec().into());
                let watcher = Watcher { key, format, reader, watching, cursor, context, audience: None };
                watcher.run(&mut connection, &greeting).await
            }
        };
        connection.close(end).await;
        open.decrement(1.0);
        drop((place, of_account));
    }

    /// Serves a client that speaks `graphql-transport-ws`.
    async fn converse(
        self: Arc<Self>,
        upgrade: OnUpgrade,
        (path, client): (String, IpAddr),
        authorization: Option<String>,
        place: Place,
    ) {
        let late = End::Breach { code: 4408, reason: "connection_init did not come in time" };
        let Some(mut connection) = self.connect(upgrade, (Instant::now() + INTRODUCTION_MAX, late)).await
        else {
            return;
        };
        let open = metrics::gauge!("sockets_open");
        open.increment(1.0);
        let end = match self.introduce(&mut connection, (&path, client), authorization).await {
            Ok((subscriber, of_account)) => {
                let end = subscriber.run(&mut connection).await;
                drop(of_account);
                end
            }
            Err(end) => end,
        };
        connection.close(end).await;
        open.decrement(1.0);
        drop(place);
    }

    /// Learns who the client is: by its first message, or else by its handshake.
    async fn introduce(
        &self,
        connection: &mut Connection,
        (path, client): (&str, IpAddr),
        authorization: Option<String>,
    ) -> Result<(Subscriber, Option<Hold<HeaderValue>>), End> {
        let authorization = subscriber::introduction(connection).await?.or(authorization);
        let Permission { opened, account, of_account } = match self
            .permission(path, None, authorization.as_deref())
            .await
        {
            Ok(permission) => permission,
            Err(Refusal(response)) if response.status() == StatusCode::TOO_MANY_REQUESTS => {
                return Err(End::Breach { code: 4429, reason: "this account has as many sockets as it may" });
            }
            Err(Refusal(response)) if response.status().is_client_error() => {
                return Err(End::Breach {
                    code: 4403,
                    reason: "the access token is missing or not accepted",
                });
            }
            Err(_) => return Err(End::Unavailable),
        };
        connection.lasts_until(Instant::now() + left(opened.until_ms), End::Token);
        subscriber::acknowledge(connection).await?;
        let subscriber = Subscriber::new(Executor {
            internal: self.internal.clone(),
            path: self.options.subscribe_path.clone(),
            hub: self.hub.clone(),
            context: opened.context.into_vec().into(),
            throttle: self.throttle.clone(),
            asker: Asker { socket: path.to_owned(), client, account },
        });
        Ok((subscriber, of_account))
    }

    async fn connect(&self, upgrade: OnUpgrade, until: (Instant, End)) -> Option<Connection> {
        match upgrade.await {
            Ok(upgraded) => {
                Some(Connection::new(upgraded, self.options.limits, until, self.stop.clone()).await)
            }
            Err(error) => {
                tracing::debug!(%error, "a client left during its handshake");
                None
            }
        }
    }
}

/// What a client is told that has as many sockets as it may.
fn too_many(whose: &str, max: usize) -> Response<Body> {
    let detail =
        format!("{whose} has {max} sockets open, which is as many as it may; close one, then try again");
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too-many-sockets", &detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.frames.end();
    }
}

/// The time until a moment of the clock.
fn left(until_ms: i64) -> Duration {
    let until = UNIX_EPOCH + Duration::from_millis(u64::try_from(until_ms).unwrap_or(0));
    until.duration_since(SystemTime::now()).unwrap_or_default()
}

fn header_has(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
}
