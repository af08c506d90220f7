//! Payments: what a provider answers and when it is asked again.

use petwalker_kernel::{Millis, UtcMillis};

/// What the provider says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The money is there.
    Captured,
    /// There will be none.
    Declined,
    /// Not known yet: it will confirm late, or did not answer in time. Asking again is safe.
    Unknown,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The payment is through.
    Captured,
    /// The payment failed for good.
    Declined,
    /// Ask again then.
    Again(UtcMillis),
}

/// Asking ends after this many attempts without an answer: about two days.
const ATTEMPTS_MAX: u32 = 30;
/// The first wait and the longest.
const WAIT: (i64, i64) = (1_000, 2 * 60 * 60 * 1_000);

/// What follows from the answer to attempt number `attempts`, from 1.
#[must_use]
pub fn next_attempt(answer: Answer, attempts: u32, now: UtcMillis) -> Attempt {
    match answer {
        Answer::Captured => Attempt::Captured,
        Answer::Declined => Attempt::Declined,
        Answer::Unknown if attempts >= ATTEMPTS_MAX => Attempt::Declined,
        Answer::Unknown => {
            let wait = WAIT.0.saturating_mul(1_i64 << attempts.saturating_sub(1).min(30)).min(WAIT.1);
            Attempt::Again(now.plus(Millis::new(wait)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Attempt, next_attempt};
    use petwalker_kernel::UtcMillis;

    #[test]
    fn waits_double_and_end() {
        let now = UtcMillis::new(0);
        for (attempts, expected) in [
            (1, Attempt::Again(UtcMillis::new(1_000))),
            (2, Attempt::Again(UtcMillis::new(2_000))),
            (5, Attempt::Again(UtcMillis::new(16_000))),
            (29, Attempt::Again(UtcMillis::new(7_200_000))),
            (30, Attempt::Declined),
        ] {
            assert_eq!(next_attempt(Answer::Unknown, attempts, now), expected, "{attempts}");
        }
        assert_eq!(next_attempt(Answer::Captured, 99, now), Attempt::Captured);
    }
}
