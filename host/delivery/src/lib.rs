//! HTTP in and out of an edge node.
//!
//! Three ways lead to the components: the public listener, which never lets a request through to an internal path; the
//! in-process dispatch, which is the only one that does; and the admin listener, which answers health and metrics
//! without touching a component.

mod access_log;
mod activity;
pub mod admin;
mod admin_guard;
pub mod bodies;
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
mod settle;
pub mod sockets;
pub mod throttle;
pub mod tls;
pub mod waits;

pub use admin_guard::{AdminGuard, TOKEN_BYTES_MIN};
pub use bodies::{Bodies, BodyLimits};
pub use disk::{DiskGuard, DiskOptions};
pub use durability::{Durability, DurabilityOptions, Replicas, StreamProgress};
pub use freshness::Freshness;
pub use internal::Internal;
pub use objects::ObjectFolder;
pub use problem::timed_out;
pub use public::{Admission, Public, PublicLimits, PublicOptions};
pub use readiness::Readiness;
pub use server::{ConnectionLimits, ListenError, Listener, ListenerStatus};
pub use settle::Settler;
pub use sockets::{Hub, SocketOptions, Sockets};
pub use throttle::{Throttle, ThrottleOptions};
pub use waits::{WaitLimits, WaitOptions, Waits};
