//! The rules of rides: pure functions of what they are given.

mod availability;
mod dispatch;
mod event;
mod fee;
mod ride;

pub use availability::{WorkHours, works_during};
pub use dispatch::{Candidate, WAVES_MAX, WalkerCard, Wave, choose, first_dispatch_at};
pub use event::{Offered, RideEvent, Settled, UnknownEvent};
pub use fee::{CancellationPolicy, fee_bp};
pub use ride::{Commitment, Ended, PetSize, Rejection, Ride, RideOrder, RidePet, Role, State, Walked};
