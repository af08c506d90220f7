//! Accepting connections and letting them finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use edge_runtime::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::activity::{Activity, Judge, Judgement, Patience, WatchedBody, WatchedIo};
use crate::first_words::FirstWords;
use crate::throttle::{Counts, Hold, Network, counted};

/// Time a client has for its TLS handshake, for its first words, and for a request's headers.
const SLOW_CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 96;
/// Requests under way on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// Bytes of an answer that wait in the connection for their client, by request.
const STREAM_BUFFER_BYTES: usize = 64 << 10;
/// Bytes that a client may send of a body before anybody has read them; of all bodies of a connection, twice that.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
/// Bytes that the system keeps of what a client has not taken yet. It tells of progress by the third of it: with its own choice,
/// up to 4 MiB, a client that reads slowly would look like one that does not.
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// How long a connection that is told to end has for it.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);
/// After a connection could not be accepted: there may be no descriptor left, and trying at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often such failures are told in the log.
const ACCEPT_WARNING_EVERY: Duration = Duration::from_secs(10);

/// Limits on the connections of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections open at once. More are closed as they come.
    pub connections_max: usize,
    /// Those of one address (of IPv6, of one /64) among them.
    pub per_address_max: usize,
    /// Addresses that have no limit of their own: proxies, behind which are many clients.
    pub exempt: Vec<Network>,
    /// A connection without a request under way is closed after so long, whatever pings it sends.
    pub idle_timeout: Duration,
    /// A connection is closed whose client reads nothing of an answer for so long.
    pub write_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            per_address_max: 1_000,
            exempt: Vec::new(),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// How a listener is.
#[derive(Debug)]
pub struct ListenerStatus {
    address: SocketAddr,
    connections_max: usize,
    permits: Arc<Semaphore>,
    accepted: watch::Sender<u64>,
}

impl ListenerStatus {
    /// The address bound.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections_max.saturating_sub(self.permits.available_permits())
    }

    /// Connects, and waits until the listener has taken a connection; why not, where it does not in time.
    ///
    /// # Errors
    /// When the listener is full, or nothing is accepted in time.
    pub async fn probe(&self, within: Duration) -> Result<(), String> {
        if self.permits.available_permits() == 0 {
            return Err(format!("all {} connections of the public listener are taken", self.connections_max));
        }
        let mut accepted = self.accepted.subscribe();
        let mut target = self.address;
        if target.ip().is_unspecified() {
            let local: IpAddr = match target {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            target.set_ip(local);
        }
        let probing = async {
            let stream = TcpStream::connect(target).await?;
            accepted.changed().await.map_err(io::Error::other)?;
            drop(stream);
            Ok::<_, io::Error>(())
        };
        match tokio::time::timeout(within, probing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the public listener cannot be reached: {error}")),
            Err(_) => Err("the public listener accepts nothing".to_owned()),
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: {source}; is another node running? Choose another address under [listen]"
)]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the operating system said.
    #[source]
    pub source: std::io::Error,
}

/// A bound listener.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: ConnectionLimits,
    status: Arc<ListenerStatus>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> Result<Self, ListenError> {
        let refuse = |source| ListenError { address, source };
        let socket = listen(address).map_err(refuse)?;
        let address = socket.local_addr().map_err(refuse)?;
        let limits = ConnectionLimits::default();
        let status = Arc::new(status_of(address, &limits));
        Ok(Self { socket, tls, limits, status })
    }

    /// Limits its connections, instead of by the default.
    #[must_use]
    pub fn with_limits(mut self, limits: ConnectionLimits) -> Self {
        self.status = Arc::new(status_of(self.status.address, &limits));
        self.limits = limits;
        self
    }

    /// The address bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.status.address
    }

    /// How it is, from now on.
    #[must_use]
    pub fn status(&self) -> Arc<ListenerStatus> {
        self.status.clone()
    }

    /// Serves until `stop` turns true, then lets what was accepted finish within `grace`.
    pub async fn serve<S, F>(self, service: S, mut stop: watch::Receiver<bool>, grace: Duration)
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let door = Door::new(&self.limits, self.status.clone());
        let (open, mut all_closed) = mpsc::channel::<()>(1);
        let service: Service = Arc::new(move |request, peer| Box::pin(service(request, peer)));
        let serving = Serving {
            builder: connection_builder(),
            tls: self.tls,
            patience: Patience { idle: self.limits.idle_timeout, unread: self.limits.write_timeout },
            stop: stop.clone(),
            service,
            _open: open,
        };
        let serving = Arc::new(serving);
        let mut warned: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(entry) = door.admit(peer.ip()) {
                        tokio::spawn(serving.clone().serve(stream, peer, entry));
                    }
                }
                Err(error) if is_of_one_connection(&error) => tracing::debug!(%error, "a client left early"),
                Err(error) => {
                    if warned.is_none_or(|warned| warned.elapsed() >= ACCEPT_WARNING_EVERY) {
                        warned = Some(Instant::now());
                        tracing::warn!(%error, open = self.status.open(), "connections are not accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((self.socket, serving));
        if tokio::time::timeout(grace, all_closed.recv()).await.is_err() {
            tracing::warn!(
                grace_ms = grace.as_millis(),
                "connections were still open at the end of the grace period"
            );
        }
    }
}

/// A socket that listens. Connections inherit its buffers.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn status_of(address: SocketAddr, limits: &ConnectionLimits) -> ListenerStatus {
    ListenerStatus {
        address,
        connections_max: limits.connections_max,
        permits: Arc::new(Semaphore::new(limits.connections_max)),
        accepted: watch::Sender::new(0),
    }
}

/// Whether only the connection is at fault that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Lets connections in, as many as there may be.
struct Door {
    status: Arc<ListenerStatus>,
    by_address: Arc<Counts<IpAddr>>,
    exempt: Vec<Network>,
    refused: [metrics::Counter; 2],
}

/// A connection's place. Dropping it makes room for another.
struct Entry {
    _permit: OwnedSemaphorePermit,
    _of_address: Option<Hold<IpAddr>>,
}

impl Door {
    fn new(limits: &ConnectionLimits, status: Arc<ListenerStatus>) -> Self {
        let refused = ["total", "address"]
            .map(|limit| metrics::counter!("connections_refused_total", "limit" => limit));
        let by_address = Counts::new(limits.per_address_max);
        Self { status, by_address, exempt: limits.exempt.clone(), refused }
    }

    /// A place for a connection from that address; none where there is none left.
    fn admit(&self, peer: IpAddr) -> Option<Entry> {
        self.status.accepted.send_modify(|count| *count = count.wrapping_add(1));
        let Ok(permit) = self.status.permits.clone().try_acquire_owned() else {
            return self.refuse(0);
        };
        if self.exempt.iter().any(|network| network.contains(peer)) {
            return Some(Entry { _permit: permit, _of_address: None });
        }
        match self.by_address.hold(counted(peer)) {
            Some(hold) => Some(Entry { _permit: permit, _of_address: Some(hold) }),
            None => self.refuse(1),
        }
    }

    fn refuse(&self, limit: usize) -> Option<Entry> {
        self.refused[limit].increment(1);
        None
    }
}

fn connection_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOW_CLIENT_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES * 2)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// What answers a request. Of no type of the caller's: then all that serves a connection is compiled once, here, and not in each
/// crate that has a listener. The answer is on the heap, and gone once it is sent: a connection keeps room for what is answered as
/// long as it is open.
type Service = Arc<dyn Fn(Request<Incoming>, SocketAddr) -> Answer + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What the connections of a listener share.
struct Serving {
    builder: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    patience: Patience,
    stop: watch::Receiver<bool>,
    service: Service,
    /// Closed with the last connection.
    _open: mpsc::Sender<()>,
}

impl Serving {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, entry: Entry) {
        // Without it a small answer waits for the peer's delayed acknowledgement, about 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY refused");
        }
        let activity = Activity::new();
        let stream = WatchedIo::new(stream, activity.clone(), self.patience.unread, entry);
        match &self.tls {
            None => self.serve_stream(stream, peer, activity).await,
            // On the heap: a plain connection does not keep the room that one with TLS needs.
            Some(tls) => Box::pin(self.serve_encrypted(tls, stream, peer, activity)).await,
        }
    }

    async fn serve_encrypted(
        &self,
        tls: &TlsAcceptor,
        stream: WatchedIo<TcpStream, Entry>,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) {
        match tokio::time::timeout(SLOW_CLIENT_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_stream(stream, peer, activity).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) {
        let (service, active) = (self.service.clone(), activity.clone());
        let service = service_fn(move |request| {
            let exchange = active.begin();
            let answer = service(request, peer);
            async move {
                let answer = answer.await;
                Ok::<_, Infallible>(answer.map(|body| WatchedBody::new(body, exchange)))
            }
        });
        let stream = FirstWords::new(stream, SLOW_CLIENT_TIMEOUT);
        // On the heap: while it is made it is there twice, and what is on the stack here is kept as long as the connection is.
        let mut connection = {
            let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            Box::pin(connection.into_owned())
        };
        let mut judge = Judge::new(activity.clone(), self.patience);
        let mut look = pin!(tokio::time::sleep(self.patience.idle.min(self.patience.unread)));
        let (mut stop, mut leaves) = (self.stop.clone(), false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "connection ended");
                    }
                    return;
                }
                () = look.as_mut() => match judge.judge() {
                    Judgement::Unread => {
                        note_closed("unread");
                        return;
                    }
                    // It was told to end, has nothing under way, and does not go.
                    _ if leaves && !activity.is_busy() => return,
                    Judgement::Fine(after) => look.as_mut().reset(Instant::now() + after),
                    Judgement::Idle => {
                        note_closed("idle");
                        leaves = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(Instant::now() + GOODBYE_TIMEOUT.min(self.patience.idle));
                    }
                },
                _ = stop.wait_for(|stop| *stop), if !leaves => {
                    leaves = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Notes that a connection is closed by this side.
fn note_closed(why: &'static str) {
    metrics::counter!("connections_closed_total", "why" => why).increment(1);
    tracing::debug!(why, "connection closed");
}

#[cfg(test)]
mod tests;
