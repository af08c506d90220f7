//! The rules of rides: pure functions of what they are given.

mod availability;
mod dispatch;
mod event;
mod fee;
mod order;
mod ride;

pub use availability::{WorkHours, works_during};
pub use dispatch::{Candidate, WAVES_MAX, WalkerCard, Wave, choose, first_dispatch_at};
pub use event::{Offered, RideEvent, Settled, UnknownEvent};
pub use fee::{CancellationPolicy, fee_bp};
pub use order::{Commitment, Ended, PetSize, RideOrder, RidePet, Role, Walked};
pub use ride::{Rejection, Ride, State};
