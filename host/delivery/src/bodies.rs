//! Reading requests' bodies before a component is asked.
//!
//! A client that sends slowly holds memory here and nothing else: neither a component's permit nor an instance. The
//! memory of all bodies is bounded. Small bodies are accounted for byte by byte as they come, in a budget of their own,
//! so they never wait behind large ones. A large body reserves its whole size first, and queues for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge_runtime::Body;
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::problem::{problem, timed_out};
use crate::throttle::counted;

/// Bytes of a body that counts as small.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// One address may hold this part of each budget.
const SHARE: usize = 4;

/// Limits on the bodies that are being read.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Time for the first byte.
    pub first_byte_timeout: Duration,
    /// Bytes a second, measured over 5 s; who sends less is refused.
    pub bytes_per_second_min: usize,
    /// Memory of all bodies of up to 64 KiB, bytes.
    pub small_bytes_max: usize,
    /// Memory of all other bodies, bytes.
    pub large_bytes_max: usize,
    /// Time for a whole body.
    pub timeout: Duration,
}

/// The memory of the bodies that a node reads.
pub struct Bodies {
    limits: BodyLimits,
    books: Mutex<Books>,
    /// KiB of large bodies.
    large: Arc<Semaphore>,
    pace: Pace,
}

#[derive(Clone, Copy)]
struct Pace {
    /// The rate is looked at over this time.
    window: Duration,
    /// How long a large body queues for its memory.
    queue: Duration,
}

const PACE: Pace = Pace { window: Duration::from_secs(5), queue: Duration::from_secs(5) };

#[derive(Default)]
struct Books {
    small_bytes: usize,
    by_address: HashMap<IpAddr, Account>,
}

#[derive(Default)]
struct Account {
    small_bytes: usize,
    large_kib: usize,
}

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyRefusal {
    /// It is longer than its path takes.
    TooLarge(usize),
    /// Its bytes come too slowly.
    TooSlow,
    /// It did not end in time.
    TimedOut,
    /// The client broke it off.
    BrokeOff,
    /// The node reads as many bytes as it may.
    Busy,
    /// The node reads as many bytes of this address as it may.
    TooMany,
}

/// A body that was read, and the memory that it holds until this is dropped.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

/// Memory accounted for one body.
pub(crate) struct Held {
    bodies: Arc<Bodies>,
    client: IpAddr,
    small_bytes: usize,
    large_kib: usize,
    large: Option<OwnedSemaphorePermit>,
    /// Whether the books have an account for the client because of this body.
    noted: bool,
}

impl Bodies {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(limits: BodyLimits) -> Arc<Self> {
        let large = Arc::new(Semaphore::new(limits.large_bytes_max >> 10));
        Arc::new(Self { limits, books: Mutex::default(), large, pace: PACE })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing under this lock panics half-way through a change.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body of at most `bytes_max`; `declared` is what its headers say.
    pub(crate) async fn read(
        self: &Arc<Self>,
        body: Body,
        declared: Option<u64>,
        bytes_max: usize,
        client: IpAddr,
    ) -> Result<Read, BodyRefusal> {
        let held = Held {
            bodies: self.clone(),
            client: counted(client),
            small_bytes: 0,
            large_kib: 0,
            large: None,
            noted: false,
        };
        if body.is_end_stream() {
            return Ok(Read { bytes: Bytes::new(), held });
        }
        let declared = declared.and_then(|length| usize::try_from(length).ok());
        Reading { body, declared, bytes_max, held }.read().await
    }
}

/// A body that is being read.
struct Reading {
    body: Body,
    declared: Option<usize>,
    bytes_max: usize,
    held: Held,
}

impl Reading {
    async fn read(mut self) -> Result<Read, BodyRefusal> {
        let (limits, pace) = (self.held.bodies.limits, self.held.bodies.pace);
        let deadline = Instant::now() + limits.timeout;
        if let Some(declared) = self.declared.filter(|declared| *declared > SMALL_BYTES_MAX) {
            self.held.reserve_large(declared).await?;
        }
        let mut window = (Instant::now() + limits.first_byte_timeout, 1_usize);
        let (mut first, mut bytes, mut received) = (None, BytesMut::new(), 0);
        loop {
            let next = tokio::time::timeout_at(deadline.min(window.0), self.body.frame()).await;
            let frame = match next {
                Ok(None) => break,
                Ok(Some(frame)) => frame.map_err(|_| BodyRefusal::BrokeOff)?,
                Err(_) if Instant::now() >= deadline => return Err(BodyRefusal::TimedOut),
                Err(_) if received < window.1 => return Err(BodyRefusal::TooSlow),
                Err(_) => {
                    let millis = usize::try_from(pace.window.as_millis()).unwrap_or(usize::MAX);
                    let wanted = limits.bytes_per_second_min.saturating_mul(millis) / 1_000;
                    window = (Instant::now() + pace.window, wanted.max(1));
                    received = 0;
                    continue;
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            received += data.len();
            let length = bytes.len() + first.as_ref().map_or(0, Bytes::len) + data.len();
            if length > self.bytes_max {
                return Err(BodyRefusal::TooLarge(self.bytes_max));
            }
            self.held.grow(length, self.bytes_max).await?;
            if self.declared == Some(length) && bytes.is_empty() && first.is_none() {
                // All of it at once, as most: nothing to copy.
                first = Some(data);
            } else {
                // Copied, since a slice of a few bytes would keep all of the connection's buffer.
                if let Some(first) = first.take() {
                    bytes.extend_from_slice(&first);
                }
                bytes.extend_from_slice(&data);
            }
        }
        let bytes = first.unwrap_or_else(|| bytes.freeze());
        Ok(Read { bytes, held: self.held })
    }
}

impl Held {
    /// Accounts for a body that has come to `length` bytes of at most `bytes_max`.
    async fn grow(&mut self, length: usize, bytes_max: usize) -> Result<(), BodyRefusal> {
        if self.large.is_some() {
            return Ok(());
        }
        if length > SMALL_BYTES_MAX {
            return self.reserve_large(bytes_max).await;
        }
        let more = length.saturating_sub(self.small_bytes);
        let small_bytes_max = self.bodies.limits.small_bytes_max;
        let mut books = self.bodies.books();
        if books.small_bytes + more > small_bytes_max {
            return Err(BodyRefusal::Busy);
        }
        self.noted = true;
        let account = books.by_address.entry(self.client).or_default();
        if account.small_bytes + more > small_bytes_max / SHARE {
            return Err(BodyRefusal::TooMany);
        }
        account.small_bytes += more;
        books.small_bytes += more;
        self.small_bytes += more;
        Ok(())
    }

    async fn reserve_large(&mut self, bytes: usize) -> Result<(), BodyRefusal> {
        let all_kib = self.bodies.limits.large_bytes_max >> 10;
        let kib = bytes.div_ceil(1 << 10).min(all_kib);
        {
            let mut books = self.bodies.books();
            self.noted = true;
            let account = books.by_address.entry(self.client).or_default();
            if account.large_kib > 0 && account.large_kib + kib > all_kib / SHARE {
                return Err(BodyRefusal::TooMany);
            }
            account.large_kib += kib;
            self.large_kib = kib;
        }
        let permits = u32::try_from(kib).map_err(|_| BodyRefusal::Busy)?;
        let reserving = self.bodies.large.clone().acquire_many_owned(permits);
        match tokio::time::timeout(self.bodies.pace.queue, reserving).await {
            Ok(Ok(permit)) => {
                self.large = Some(permit);
                Ok(())
            }
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(BodyRefusal::Busy),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.noted {
            return;
        }
        let mut books = self.bodies.books();
        books.small_bytes -= self.small_bytes;
        if let Some(account) = books.by_address.get_mut(&self.client) {
            account.small_bytes -= self.small_bytes;
            account.large_kib -= self.large_kib;
            if account.small_bytes == 0 && account.large_kib == 0 {
                books.by_address.remove(&self.client);
            }
        }
    }
}

impl BodyRefusal {
    /// What the client is told. Its connection is closed, since the rest of the body is not read.
    pub(crate) fn answer(&self, version: Version) -> Response<Body> {
        let mut response = match self {
            Self::TooLarge(bytes_max) => {
                let detail = format!("a request body may have {bytes_max} bytes");
                problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail)
            }
            Self::TooSlow => problem(
                StatusCode::REQUEST_TIMEOUT,
                "body-too-slow",
                "the request's body came too slowly; send it again",
            ),
            Self::TimedOut => timed_out(),
            Self::BrokeOff => problem(StatusCode::BAD_REQUEST, "malformed", "the body broke off"),
            Self::Busy => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "the node reads as many bodies as it may; try again shortly",
            ),
            Self::TooMany => {
                let detail = "the node reads as many bodies from your address as it may; send them one after the other";
                problem(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
            }
        };
        if *self == Self::TooMany {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // HTTP/2 resets the stream by itself.
        if version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use edge_runtime::{Body, full_body};
    use futures::stream::{self, StreamExt as _};
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};

    use tokio::sync::Semaphore;

    use super::{Bodies, BodyLimits, BodyRefusal, Pace};

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn bodies() -> Arc<Bodies> {
        Arc::new(Bodies {
            limits: BodyLimits {
                first_byte_timeout: ms(500),
                bytes_per_second_min: 1_000,
                small_bytes_max: 256 << 10,
                large_bytes_max: 4 << 20,
                timeout: ms(2_000),
            },
            books: Mutex::default(),
            large: Arc::new(Semaphore::new(4 << 10)),
            pace: Pace { window: ms(300), queue: ms(100) },
        })
    }

    /// Pieces with a pause before each; where it does not end, a last pause that does not end.
    fn dripping(pieces: usize, bytes: usize, ends: bool) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(ms(50)).await;
            Ok::<_, edge_runtime::BodyError>(Frame::data(Bytes::from(vec![b'x'; bytes])))
        });
        if ends {
            StreamBody::new(pieces).boxed_unsync()
        } else {
            StreamBody::new(pieces.chain(stream::pending())).boxed_unsync()
        }
    }

    async fn refused(bodies: &Arc<Bodies>, body: Body, declared: Option<u64>) -> Option<BodyRefusal> {
        bodies.read(body, declared, 1 << 20, CLIENT).await.err()
    }

    #[tokio::test]
    async fn slow_bodies_are_refused_and_others_read() {
        let bodies = bodies();
        for (body, declared, expected) in [
            (dripping(0, 0, false), Some(100), BodyRefusal::TooSlow),
            (dripping(100, 10, true), None, BodyRefusal::TooSlow),
            (dripping(100, 1_000, true), None, BodyRefusal::TimedOut),
            (dripping(3, 600_000, true), None, BodyRefusal::TooLarge(1 << 20)),
        ] {
            assert_eq!(refused(&bodies, body, declared).await, Some(expected));
        }
        let read = bodies.read(dripping(15, 1_000, true), None, 1 << 20, CLIENT).await;
        assert_eq!(read.ok().map(|read| read.bytes.len()), Some(15_000));
        let books = bodies.books();
        assert_eq!((books.small_bytes, books.by_address.len()), (0, 0), "everything is given back");
        assert_eq!(bodies.large.available_permits(), 4 << 10);
    }

    #[tokio::test]
    async fn memory_is_bounded_for_each_address_and_for_all() {
        let bodies = bodies();
        let read = async |client, bytes_read: usize| {
            let body = full_body(vec![b'x'; bytes_read]);
            bodies.read(body, Some(bytes_read as u64), 1 << 20, client).await
        };
        let mine = read(CLIENT, 60 << 10).await.ok();
        assert_eq!(read(CLIENT, 10 << 10).await.err(), Some(BodyRefusal::TooMany));
        assert!(read(OTHER, 60 << 10).await.is_ok(), "another address has its own share");
        let large = read(CLIENT, 1 << 20).await.ok();
        assert!(large.is_some());
        assert_eq!(read(CLIENT, 1 << 20).await.err(), Some(BodyRefusal::TooMany));
        let mut others = Vec::new();
        for last in 3..6 {
            others.push(read(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 1 << 20).await.ok());
        }
        assert!(others.iter().all(Option::is_some));
        assert_eq!(read(OTHER, 1 << 20).await.err(), Some(BodyRefusal::Busy), "queued in vain");
        assert!(read(OTHER, 1 << 10).await.is_ok(), "a small body does not wait behind large ones");
        drop((mine, large));
        assert!(read(CLIENT, 60 << 10).await.is_ok());
        assert!(read(OTHER, 1 << 20).await.is_ok());
    }
}
