//! Where a relay reads a region's events.

use crate::event_table::EventTable;
use crate::topic::{Pending, StreamError};

/// Records with their sequence numbers, in order.
pub type Numbered = Vec<(u64, Vec<u8>)>;

/// A region's events as whoever relays them reads them: the table in a file of this node's, or an application elsewhere that
/// is asked for them.
pub trait Outbox: Send + Sync + 'static {
    /// Records after `seq`, at most `limit` of them, in order.
    fn read_after(&self, seq: u64, limit: u32) -> Pending<'_, Result<Numbered, StreamError>>;

    /// Waits until there may be more. False: there will never be.
    fn changed(&mut self) -> Pending<'_, bool>;
}

impl Outbox for EventTable {
    fn read_after(&self, seq: u64, limit: u32) -> Pending<'_, Result<Numbered, StreamError>> {
        Box::pin(Self::read_after(self, seq, limit))
    }

    fn changed(&mut self) -> Pending<'_, bool> {
        Box::pin(Self::changed(self))
    }
}
