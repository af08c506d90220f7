//! Hands a region's events to their consumers, in order and at least once.
//!
//! The embedded stream is the region's own `events` table: what is committed there is in the stream. A consumer keeps
//! its offset in the database that it writes, so the relay keeps none: it asks, sends what comes next, and goes on from
//! where the consumer says it stands.

mod embedded;
mod relay;

pub use embedded::{EmbeddedStream, StreamError};
pub use relay::{Deliver, DeliverError, Relay, RelayStatus};
