//! HTTP in and out of an edge node.
//!
//! Three ways lead to the components: the public listener, which never lets a request through to an internal path; the
//! in-process dispatch, which is the only one that does; and the admin listener, which answers health and metrics
//! without touching a component.

mod activity;
pub mod admin;
pub mod descriptors;
pub mod disk;
pub mod durability;
mod first_words;
pub mod freshness;
pub mod internal;
pub mod objects;
mod problem;
pub mod public;
pub mod readiness;
pub mod regions;
pub mod server;
pub mod sockets;
pub mod throttle;
pub mod tls;

pub use disk::{DiskGuard, DiskOptions};
pub use durability::{Durability, DurabilityOptions, StreamProgress};
pub use freshness::Freshness;
pub use internal::Internal;
pub use objects::ObjectFolder;
pub use problem::timed_out;
pub use public::{Public, PublicLimits, PublicOptions};
pub use readiness::Readiness;
pub use server::{ConnectionLimits, ListenError, Listener, ListenerStatus};
pub use sockets::{Hub, SocketOptions, Sockets};
pub use throttle::{Throttle, ThrottleOptions};
