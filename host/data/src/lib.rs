//! The databases of an edge node.
//!
//! Local libSQL files behind the runtime's storage traits: connections are pooled, statements prepared once, writers
//! take turns without blocking a thread, and whatever a component leaves open is rolled back. Migrations bring a file to
//! the schema that the node's software expects, or say exactly why they cannot.

mod gate;
mod key_value;
pub mod lease;
mod local;
pub mod migrate;
pub mod private;
mod replicated;
mod statement;
mod storage;
mod watchdog;

pub use gate::WriteGate;
pub use key_value::LocalKeyValue;
pub use local::{CommitWatch, LocalDatabase, OpenError, PoolOptions};
pub use replicated::{
    ReplicaError, ReplicaOptions, ReplicaStatus, ReplicatedDatabase, copy_of_primary, remote,
};
pub use storage::LocalStorage;
