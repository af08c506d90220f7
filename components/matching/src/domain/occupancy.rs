//! When pets and walkers are taken, and for how many pets a walker has room.

use petwalker_kernel::{Millis, UtcMillis};

use super::ride::{Ride, State};

/// A walk that lasts longer than was booked is taken to last so much longer yet.
const OVERRUN: Millis = Millis::from_mins(15);

/// A stretch of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub from: UtcMillis,
    /// Its end.
    pub to: UtcMillis,
}

impl Window {
    /// Of a walk that is to start at `starts_at`, and at `now` at the earliest.
    #[must_use]
    pub fn planned(starts_at: UtcMillis, duration_min: u32, now: UtcMillis) -> Self {
        let lasts = Millis::from_mins(duration_min.into());
        Self { from: starts_at, to: starts_at.max(now).plus(lasts) }
    }

    /// Whether there is a moment that is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

impl Ride {
    /// When it takes its pets, as far as is known at `now`; none once it is over.
    #[must_use]
    pub fn window(&self, now: UtcMillis) -> Option<Window> {
        match &self.state {
            State::Requested { .. } | State::Offered { .. } | State::Accepted(_) | State::Arrived { .. } => {
                Some(Window::planned(self.order.starts_at(), self.order.duration_min, now))
            }
            State::Started { at: from, .. } | State::Paused { started_at: from, .. } => {
                let booked = from.plus(Millis::from_mins(self.order.duration_min.into()));
                Some(Window { from: *from, to: booked.max(now.plus(OVERRUN)) })
            }
            State::Completed(_)
            | State::Interrupted(_)
            | State::Cancelled { .. }
            | State::Expired { .. }
            | State::NoShow { .. } => None,
        }
    }

    /// How many pets it is for.
    #[must_use]
    pub fn pets(&self) -> u32 {
        u32::try_from(self.order.pets.len()).unwrap_or(u32::MAX)
    }
}

/// Whether a walker with room for `capacity` pets, who holds `held` in these windows, has room for `pets` more in `window`.
///
/// # Errors
/// How many pets it would be.
pub fn fits(capacity: u32, pets: u32, window: Window, held: &[(Window, u32)]) -> Result<(), u32> {
    let meanwhile = held.iter().filter(|(other, _)| other.overlaps(window));
    let all = meanwhile.fold(pets, |sum, (_, pets)| sum.saturating_add(*pets));
    if all <= capacity { Ok(()) } else { Err(all) }
}

#[cfg(test)]
mod tests {
    use super::{Window, fits};
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    const fn window(from: i64, to: i64) -> Window {
        Window { from: UtcMillis::new(from), to: UtcMillis::new(to) }
    }

    #[test]
    fn one_after_the_other_is_not_at_once() {
        for (other, expected) in [
            (window(0, 10), Ok(())),
            (window(20, 30), Ok(())),
            (window(0, 11), Err(2)),
            (window(19, 30), Err(2)),
            (window(12, 15), Err(2)),
            (window(0, 99), Err(2)),
        ] {
            assert_eq!(fits(1, 1, window(10, 20), &[(other, 1)]), expected, "{other:?}");
        }
        assert_eq!(fits(2, 3, window(0, 1), &[]), Err(3));
    }

    proptest! {
        #[test]
        fn nobody_holds_more_at_one_time_than_there_is_room_for(
            capacity in 1..6_u32,
            asked in proptest::collection::vec((0..1_000_i64, 1..300_i64, 1..4_u32), 0..60),
        ) {
            let mut held = Vec::new();
            for (from, lasts, pets) in asked {
                let wanted = window(from, from + lasts);
                if fits(capacity, pets, wanted, &held).is_ok() {
                    held.push((wanted, pets));
                }
            }
            // The most are held where one begins.
            for (begins, _) in &held {
                let now = window(begins.from.get(), begins.from.get() + 1);
                let pets: u32 = held.iter().filter(|(w, _)| w.overlaps(now)).map(|(_, pets)| pets).sum();
                prop_assert!(pets <= capacity, "{} of {} at {:?}", pets, capacity, begins.from);
            }
        }
    }
}
