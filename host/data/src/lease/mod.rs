//! Who may write a region: one edge at a time, for as long as it renews its lease.
//!
//! The lease is a row in the replicated database's primary. Nobody's wall clock is trusted, not even the primary's:
//!
//! - A holder counts its time from the moment *before* it asked to renew, on its own monotonic clock.
//! - Everybody else counts from the moment *after* it saw the row change, on its own monotonic clock, and takes the lease
//!   only when the row stayed the same for a whole term and a margin.
//!
//! The holder's term therefore ends before anybody else's wait does, whatever the clocks say, as long as they run at the
//! same speed within the margin. Each change of hands adds one to the epoch, by compare-and-swap on what was seen; readers
//! drop what older epochs write. (Gray and Cheriton, "Leases", SOSP 1989; the counting from one's own observation is what
//! Kubernetes' leader election does.)
//!
//! Where the primary cannot be reached, a holder may go on by the word of the others: each other edge that may take the lease
//! promises not to for a whole wait from now ([`Tenant::promise`]). All of them must; one that cannot be asked may be taking it.
//! An edge that forgets its promise because it starts anew begins its wait anew as well.
//!
//! The row names the topic that its holder publishes to. Whoever reads another topic does not know what that holder
//! acknowledged, so only the holder itself goes on with a new topic; everybody else follows once it has.
//!
//! [`Tenant`] is the rule, without I/O: it says what to ask of the row and takes the answers. [`LeaseStore`] asks.

mod row;
mod store;
mod tenant;

#[cfg(test)]
mod tests;

pub use row::answer_of;
pub use store::{LeaseError, LeaseStore};
pub use tenant::{Answer, Ask, Question, Tenant, Tenure, Terms};

/// Who asks for a lease. By default nobody, who only looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimant {
    /// Its name, which nobody else has: the edge's, and what tells its data folder from every other.
    pub name: String,
    /// The topic that it publishes to as an owner and follows as a standby.
    pub topic: String,
}

/// A region's lease as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it, or held it last.
    pub holder: String,
    /// How often it changed hands.
    pub epoch: u64,
    /// How often the row was written.
    pub renewal: u64,
    /// Given back by its holder: it may be taken at once.
    pub released: bool,
    /// Who alone may take it at once after it was given back; empty for anybody.
    pub heir: String,
    /// The topic that its holder publishes to; empty in rows older than this column.
    pub topic: String,
}
