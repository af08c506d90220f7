//! HTTP in and out of an edge node.
//!
//! Three ways lead to the components: the public listener, which never lets a request through to an internal path; the
//! in-process dispatch, which is the only one that does; and the admin listener, which answers health and metrics
//! without touching a component.

pub mod admin;
pub mod bodies;
pub mod durability;
mod first_words;
pub mod freshness;
pub mod internal;
pub mod objects;
mod problem;
pub mod public;
pub mod regions;
pub mod server;
pub mod sockets;
pub mod tls;
pub mod waits;

pub use bodies::{Bodies, BodyLimits};
pub use durability::{Durability, DurabilityOptions, StreamProgress};
pub use freshness::Freshness;
pub use internal::Internal;
pub use objects::ObjectFolder;
pub use public::{Admission, Public, PublicLimits, PublicOptions};
pub use server::{ListenError, Listener};
pub use sockets::{Hub, SocketOptions, Sockets};
pub use waits::{WaitLimits, WaitOptions, Waits};
