//! A region's events on their way: to the consumers of this node, and to the stream that other nodes read.
//!
//! Events begin in the region's own `events` table, its [`Outbox`]. A [`Relay`] reads it and hands what is new to a [`Deliver`], in order
//! and at least once. A consumer keeps its offset in the database that it writes; the one that publishes finds it in the
//! topic. A [`Topic`] is kept by a Fluvio cluster, or is the table itself where there is none.

mod batch;
mod chain;
mod compare;
mod event_table;
mod file_topic;
#[cfg(test)]
mod fixture;
mod fluvio;
mod follow;
mod log_reader;
mod outbox;
mod publish;
mod relay;
mod standby;
mod topic;

pub use batch::{BATCH_BYTES_MAX, fitting};
pub use chain::{Chain, Log};
pub use compare::{Comparison, Difference, compare};
pub use event_table::{EmbeddedTopic, EventTable};
pub use file_topic::FileTopic;
pub use fluvio::{Compression, FluvioSettings, FluvioTls, FluvioTopic};
pub use follow::{Follower, Verdict};
pub use log_reader::LogReader;
pub use outbox::{Numbered, Outbox};
pub use publish::Publish;
pub use relay::{Deliver, DeliverError, Relay, RelayStatus};
pub use standby::{OPENED, Opened, Source, Standby, StandbyError, StandbyStatus, TakeOver};
pub use topic::{Entry, Pending, Reader, StreamError, Tail, Topic};
