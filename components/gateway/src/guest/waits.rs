//! Waiting for news, where the node around this component does it.
//!
//! A component that waits is occupied for as long as it does. A node that can wait itself says so with `edge-waits`: it is
//! answered at once, is told with `edge-wait` what to wait for, and asks again once there is news, with what was known
//! before. Other runtimes send no such header: there the component waits, and not for long.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::Problem;

/// By which the node says that it can wait; empty, or what was known when it asked before.
const WAITS: HeaderName = HeaderName::from_static("edge-waits");
/// By which the node is told what to wait for.
const WAIT: HeaderName = HeaderName::from_static("edge-wait");

/// Who waits.
pub enum Waiter {
    /// This component.
    Here,
    /// The node, which asks for the first time.
    Node,
    /// The node, which asks again.
    NodeAgain(Known),
}

/// What was known of a ride when somebody asked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Up to where its points were told.
    pub cursor: u64,
    /// Its state, as clients are told it.
    pub state: String,
    /// A digest of what else was told.
    pub digest: u64,
}

impl Waiter {
    /// Reads the node's header.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(WAITS) else { return Ok(Self::Here) };
        if value.is_empty() {
            return Ok(Self::Node);
        }
        let known = value.to_str().ok().and_then(Known::read);
        known
            .map(Self::NodeAgain)
            .ok_or_else(|| Problem::new("malformed", "only the node sets it").at("edge-waits"))
    }
}

impl Known {
    fn read(memo: &str) -> Option<Self> {
        let mut parts = memo.split('.');
        let (cursor, state, digest) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { cursor: cursor.parse().ok()?, state: state.to_owned(), digest: digest.parse().ok()? })
    }
}

/// Has the node wait for news of `key` for a time, for `viewer`. With `more`, it asks again at once.
pub fn wait_for(
    key: &str,
    time: Duration,
    known: &Known,
    viewer: &str,
    more: bool,
) -> (HeaderName, HeaderValue) {
    let Known { cursor, state, digest } = known;
    let again = if more { "; again=1" } else { "" };
    let text = format!(
        "key={key}; for={}; memo={cursor}.{state}.{digest}; viewer={viewer}{again}",
        time.as_millis()
    );
    // Ids, numbers and words of this component: all of them visible ASCII. An empty value is no wait.
    (WAIT, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))
}
