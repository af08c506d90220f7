//! How often a secret may be guessed.

use petwalker_kernel::{Millis, UtcMillis};

/// How many failures are let pass, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptBudget {
    /// Failures until the first wait.
    pub failures: u32,
    /// The first wait. Each further failure doubles it.
    pub first_wait: Millis,
    /// The longest wait.
    pub longest_wait: Millis,
    /// After how long without a failure all is forgotten.
    pub forgotten_after: Millis,
}

/// Log-ins with one e-mail address.
pub const LOG_INS: AttemptBudget = AttemptBudget {
    failures: 10,
    first_wait: Millis::from_mins(1),
    longest_wait: Millis::from_mins(15),
    forgotten_after: Millis::from_mins(60),
};

/// Sign-ups with one e-mail address that is taken.
pub const SIGN_UPS: AttemptBudget = AttemptBudget { failures: 5, ..LOG_INS };

/// Refreshes of one session within [`REFRESH_WINDOW`].
pub const REFRESHES_MAX: u32 = 60;
/// The time in which refreshes are counted.
pub const REFRESH_WINDOW: Millis = Millis::from_mins(60);

/// Longest password that is hashed, bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Longest e-mail address that is looked up, bytes: 254 characters of at most four.
pub const EMAIL_BYTES_MAX: usize = 1_016;

/// The failures so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many, since they were last forgotten.
    pub failures: u32,
    /// When the last one was.
    pub last_at: UtcMillis,
    /// Until when no attempt is looked at.
    pub blocked_until: UtcMillis,
}

impl Attempts {
    /// Seconds until the next attempt is looked at; none where it may come now.
    #[must_use]
    pub fn wait_s(&self, now: UtcMillis, budget: &AttemptBudget) -> Option<u32> {
        // A clock that was set back must not lock anybody out for longer than the rule says.
        let left = self.blocked_until.since(now).get().min(budget.longest_wait.get());
        (left > 0).then(|| seconds(Millis::new(left)))
    }

    /// The failures with one more.
    #[must_use]
    pub fn with_failure(known: Option<Self>, now: UtcMillis, budget: &AttemptBudget) -> Self {
        let remembered = known.filter(|known| now.since(known.last_at) <= budget.forgotten_after);
        let failures = remembered.map_or(0, |known| known.failures).saturating_add(1);
        let wait = failures.checked_sub(budget.failures).map_or(0, |beyond| {
            let doubled = budget.first_wait.get().saturating_mul(1 << beyond.min(16));
            doubled.min(budget.longest_wait.get())
        });
        // Attempts that run beside each other were made at moments of their own: without a wait none of them is too early.
        let blocked_until = if wait > 0 { now.plus(Millis::new(wait)) } else { UtcMillis::new(0) };
        Self { failures, last_at: now, blocked_until }
    }
}

/// Whole seconds, rounded up, at least one.
#[must_use]
pub fn seconds(span: Millis) -> u32 {
    u32::try_from(span.get().saturating_add(999).div_euclid(1_000).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Attempts, LOG_INS, seconds};
    use petwalker_kernel::{Millis, UtcMillis};
    use proptest::prelude::*;

    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    fn after(failures: u32) -> Attempts {
        let failed = (0..failures).fold(None, |known, _| Some(Attempts::with_failure(known, NOW, &LOG_INS)));
        failed.expect("at least one")
    }

    #[test]
    fn waits_grow_to_their_bound() {
        for (failures, wait_s) in [
            (1, None),
            (9, None),
            (10, Some(60)),
            (11, Some(120)),
            (13, Some(480)),
            (14, Some(900)),
            (1_000, Some(900)),
        ] {
            assert_eq!(after(failures).wait_s(NOW, &LOG_INS), wait_s, "{failures}");
        }
    }

    #[test]
    fn who_began_before_another_failed_does_not_wait() {
        let earlier = NOW.plus(Millis::new(-5));
        assert_eq!(after(9).wait_s(earlier, &LOG_INS), None);
        assert!(after(10).wait_s(earlier, &LOG_INS).is_some());
    }

    #[test]
    fn a_wait_ends_and_failures_are_forgotten() {
        let locked = after(10);
        let at = |minutes| NOW.plus(Millis::from_mins(minutes));
        assert_eq!(locked.wait_s(at(1), &LOG_INS), None);
        assert_eq!(Attempts::with_failure(Some(locked), at(60), &LOG_INS).failures, 11);
        assert_eq!(Attempts::with_failure(Some(locked), at(61), &LOG_INS).failures, 1);
        assert_eq!(locked.wait_s(at(-600), &LOG_INS), Some(900), "the clock was set back");
        assert_eq!([0, 1, 999, 1_000, 1_001].map(|ms| seconds(Millis::new(ms))), [1, 1, 1, 1, 2]);
    }

    proptest! {
        /// However attempts are spaced, a day of guessing judges few of them.
        #[test]
        fn a_day_has_few_guesses(pauses in proptest::collection::vec(0..7_200_000_i64, 1..400)) {
            let (mut now, mut known, mut judged) = (NOW, None::<Attempts>, 0);
            for pause in pauses {
                now = now.plus(Millis::new(pause));
                if now.since(NOW) > Millis::from_mins(24 * 60) {
                    break;
                }
                if known.is_none_or(|known| known.wait_s(now, &LOG_INS).is_none()) {
                    known = Some(Attempts::with_failure(known, now, &LOG_INS));
                    judged += 1;
                }
            }
            prop_assert!(judged <= 10 * 25, "{judged}");
        }
    }
}
