//! What the node says of the region's stream, and what it is told of an answer's worth.
//!
//! With each command and each batch of frames the node says which of the region's events are on every replica of the stream.
//! A walk's points are in an event a little after they are stored, so the component knows up to which number they are there.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::bindings::petwalker::tracking::routes::{self, Progress, ToldMark};
use super::ops::Outcome;

/// The header by which the node says it: the last event that is on every replica, or `all` where its own disk is the only one.
/// The node lets nobody else set it.
const PUBLISHED: &str = "edge-published";
const ALL: &[u8] = b"all";

/// The header by which the node learns where what a command did is kept. Taken away from the answer.
const KEPT: HeaderName = HeaderName::from_static("edge-kept");

/// Said of what comes into the region's events a little later, or when the node asks for it.
pub const LATER: (HeaderName, HeaderValue) = (KEPT, HeaderValue::from_static("later"));
/// Said of what never comes into the region's events: it is kept in another database, or in a store.
pub const ELSEWHERE: (HeaderName, HeaderValue) = (KEPT, HeaderValue::from_static("elsewhere"));

/// How far the region's events are on every replica of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// Nobody said: what runs around this component knows no stream.
    Unknown,
    /// The disk that this is stored on is the only one.
    ThisDisk,
    /// Up to that event.
    Events(u64),
}

impl Replicas {
    /// What the node says with a request.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(PUBLISHED).map(HeaderValue::as_bytes) {
            Some(ALL) => Self::ThisDisk,
            Some(event) => {
                let event = std::str::from_utf8(event).ok().and_then(|event| event.parse().ok());
                event.map_or(Self::Unknown, Self::Events)
            }
            None => Self::Unknown,
        }
    }

    /// The last event that is known to be on every replica.
    pub const fn event(self) -> Option<u64> {
        match self {
            Self::Events(event) => Some(event),
            Self::Unknown | Self::ThisDisk => None,
        }
    }

    /// The number up to which every point of a track is on every replica, where that is known.
    pub fn seq(self, progress: &Progress, told: &[ToldMark]) -> Option<u32> {
        match self {
            Self::Unknown => None,
            Self::ThisDisk => Some(progress.contiguous_seq),
            Self::Events(event) => {
                let published = told.iter().rev().find(|mark| mark.event <= event);
                Some(published.map_or(0, |mark| mark.contiguous_seq))
            }
        }
    }

    /// The same of a track that nothing was added to.
    pub fn seq_of(self, ride_id: &str, progress: &Progress) -> Outcome<Option<u32>> {
        let told = if self.event().is_some() { routes::told_in(ride_id)? } else { Vec::new() };
        Ok(self.seq(progress, &told))
    }
}

impl<S: Sync> FromRequestParts<S> for Replicas {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
