//! A copy of all that a primary has.

use std::path::Path;
use std::time::Duration;

use super::replica::Replica;
use super::{ReplicaError, ReplicaOptions};
use crate::local::PoolOptions;

/// Writes what the primary at `url` has now into the file `to`, which must not be there; `folder` is an empty one to work in.
///
/// # Errors
/// When the primary does not give it, or it cannot be written.
pub async fn copy_of_primary(url: &str, token: &str, folder: &Path, to: &Path) -> Result<(), ReplicaError> {
    let options = ReplicaOptions {
        url: url.to_owned(),
        token: token.to_owned(),
        folder: folder.to_owned(),
        pool: PoolOptions::default(),
        sync_interval: Duration::MAX,
        sync_timeout: Duration::MAX,
        statement_timeout: Duration::MAX,
    };
    let replica = Replica::make(&options, 1).await?;
    Ok(replica.local.copy_to(to).await?)
}
