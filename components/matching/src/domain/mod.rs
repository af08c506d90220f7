//! The rules of rides: pure functions of what they are given.

mod availability;
mod blur;
mod dispatch;
mod event;
mod fee;
mod occupancy;
mod order;
mod pickup;
mod ride;

pub use availability::{WorkHours, works_during};
pub use blur::{TOLD_STEP_M, blurred, pickup_square, told_m};
pub use dispatch::{Candidate, WAVES_MAX, WalkerCard, Wave, choose, first_dispatch_at};
pub use event::{Offered, RideEvent, Settled, UnknownEvent};
pub use fee::{CancellationPolicy, fee_bp};
pub use occupancy::{Window, fits};
pub use order::{Commitment, Ended, PetSize, RideOrder, RidePet, Role, Walked};
pub use pickup::{FIX_AGE_MAX, Fix, NotSeen, PICKUP_REACH_M, seen_at_pickup};
pub use ride::{Rejection, Ride, State};
