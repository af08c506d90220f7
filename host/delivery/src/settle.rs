//! What the component stores beyond the region's events, written into them in time.
//!
//! A component may store something at once and write it into an event a little later, with what else came meanwhile. The node
//! has it do so about every second while something is committed, and before somebody else goes on from the events: when a
//! region changes hands, when the node stops, and when a file is read as a log.

use std::time::Duration;

use edge_data::CommitWatch;
use serde::Deserialize;
use tokio::sync::watch;

use crate::internal::{Internal, InternalError};

/// What came of it.
#[derive(Deserialize)]
struct Settled {
    /// Things that could not be read, and so are in no event.
    #[serde(default)]
    failed: u32,
}

/// Has a component write into the events what it stores beyond them.
#[derive(Clone)]
pub struct Settler {
    internal: Internal,
    path: String,
}

impl Settler {
    /// By a post to that path.
    #[must_use]
    pub const fn new(internal: Internal, path: String) -> Self {
        Self { internal, path }
    }

    /// Has it done now. Afterwards the events hold everything that was stored before.
    ///
    /// # Errors
    /// When the component does not answer, or refuses.
    pub async fn settle(&self) -> Result<(), InternalError> {
        let answer = self.internal.post(&self.path, Vec::new()).await?;
        let settled: Settled = rmp_serde::from_slice(&answer)
            .map_err(|error| InternalError::Answer { path: self.path.clone(), reason: error.to_string() })?;
        if settled.failed > 0 {
            metrics::counter!("settle_unreadable_total").increment(settled.failed.into());
            tracing::error!(count = settled.failed, "what is stored cannot be read, and is in no event");
        }
        Ok(())
    }

    /// Has it done `every` so often while something is committed, until `stop` turns true.
    pub async fn run(self, mut commits: CommitWatch, every: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            commits.borrow_and_update();
            let settled = tokio::select! {
                settled = self.settle() => settled,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = &settled {
                metrics::counter!("settle_failures_total").increment(1);
                tracing::warn!(%error, "what is stored is not in the events yet");
            }
            tokio::select! {
                // What failed is tried again, whether or not something is committed.
                open = commits.changed(), if settled.is_ok() => if open.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
                () = std::future::ready(()), if settled.is_err() => {}
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}
