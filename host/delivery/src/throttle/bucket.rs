//! Token buckets, one 64-bit number each: the generic cell rate algorithm (GCRA).
//!
//! A bucket holds `burst` tokens and gains one every `period`. What is stored is the moment at which it will be full again
//! (GCRA's theoretical arrival time); a moment that has passed means a full bucket. Time is a number of nanoseconds on one
//! monotonic clock and arrives as an argument.

/// Nanoseconds of a minute.
const MINUTE_NS: u64 = 60_000_000_000;
/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// How many requests may come at once, and how many in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    period_ns: u64,
}

/// What a bucket says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A token was taken.
    Allowed {
        /// Tokens left.
        remaining: u32,
        /// Seconds until the bucket is full again, rounded up.
        full_in_s: u64,
    },
    /// The bucket is empty.
    Refused {
        /// Seconds until it holds a token again, rounded up: at least 1.
        retry_in_s: u64,
    },
}

impl Rate {
    /// `burst` requests at once, and `per_minute` of them in the long run. Both count as 1 where they are 0.
    #[must_use]
    pub const fn new(burst: u32, per_minute: u32) -> Self {
        let per_minute = if per_minute == 0 { 1 } else { per_minute };
        let burst = if burst == 0 { 1 } else { burst };
        // At least a nanosecond: `per_minute` is below 2^32, so a minute divided by it is 13 or more.
        Self { burst, period_ns: MINUTE_NS / per_minute as u64 }
    }

    /// Requests that a full bucket allows at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Seconds in which an empty bucket becomes full, rounded up: the policy's window.
    #[must_use]
    pub const fn window_s(self) -> u64 {
        self.full_ns().div_ceil(SECOND_NS)
    }

    const fn full_ns(self) -> u64 {
        self.period_ns.saturating_mul(self.burst as u64)
    }

    /// Takes a token from the bucket that is full at `full_at`; what is stored from now on, and the verdict.
    pub(crate) fn take(self, full_at: u64, now: u64) -> (u64, Verdict) {
        let next = full_at.max(now).saturating_add(self.period_ns);
        let missing = next - now;
        if missing > self.full_ns() {
            let retry_in_s = (missing - self.full_ns()).div_ceil(SECOND_NS).max(1);
            return (full_at, Verdict::Refused { retry_in_s });
        }
        let remaining = (self.full_ns() - missing) / self.period_ns;
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        (next, Verdict::Allowed { remaining, full_in_s: missing.div_ceil(SECOND_NS) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MINUTE_NS, Rate, SECOND_NS, Verdict};

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let rate = Rate::new(3, 60);
        assert_eq!((rate.burst(), rate.window_s()), (3, 3));
        let mut full_at = 0;
        let mut ask = |now: u64| {
            let (stored, verdict) = rate.take(full_at, now);
            full_at = stored;
            verdict
        };
        let start = 5 * SECOND_NS;
        for (after_ms, expected) in [
            (0, Verdict::Allowed { remaining: 2, full_in_s: 1 }),
            (0, Verdict::Allowed { remaining: 1, full_in_s: 2 }),
            (0, Verdict::Allowed { remaining: 0, full_in_s: 3 }),
            (0, Verdict::Refused { retry_in_s: 1 }),
            (999, Verdict::Refused { retry_in_s: 1 }),
            (1_000, Verdict::Allowed { remaining: 0, full_in_s: 3 }),
            (1_001, Verdict::Refused { retry_in_s: 1 }),
            (60_000, Verdict::Allowed { remaining: 2, full_in_s: 1 }),
        ] {
            assert_eq!(ask(start + after_ms * 1_000_000), expected, "after {after_ms} ms");
        }
    }

    #[test]
    fn a_slow_rate_says_how_long_to_wait() {
        let rate = Rate::new(1, 1);
        let (full_at, _) = rate.take(0, SECOND_NS);
        assert_eq!(rate.take(full_at, SECOND_NS).1, Verdict::Refused { retry_in_s: 60 });
        assert_eq!(rate.window_s(), 60);
        assert_eq!(Rate::new(0, 0), Rate::new(1, 1));
    }

    proptest! {
        /// Whatever the arrivals, no window sees more than the burst and what the rate adds in it.
        #[test]
        fn the_rate_is_never_exceeded(
            burst in 1_u32..50,
            per_minute in 1_u32..100_000,
            gaps in proptest::collection::vec(0_u64..2 * SECOND_NS, 1..400),
        ) {
            let rate = Rate::new(burst, per_minute);
            let (mut now, mut full_at, mut allowed) = (1, 0, Vec::new());
            for gap in gaps {
                now += gap;
                let (stored, verdict) = rate.take(full_at, now);
                full_at = stored;
                if matches!(verdict, Verdict::Allowed { .. }) {
                    allowed.push(now);
                }
            }
            let period = u128::from(MINUTE_NS / u64::from(per_minute));
            for (first, from) in allowed.iter().enumerate() {
                for (last, to) in allowed.iter().enumerate().skip(first) {
                    let seen = (last - first + 1) as u128;
                    let most = u128::from(burst) + u128::from(to - from) / period;
                    prop_assert!(seen <= most, "{seen} of {most} in {} ns", to - from);
                }
            }
        }

        /// Who keeps to the rate is never refused.
        #[test]
        fn who_keeps_to_the_rate_is_allowed(burst in 1_u32..50, per_minute in 1_u32..100_000, jitter in 0_u64..1_000) {
            let rate = Rate::new(burst, per_minute);
            let (mut now, mut full_at) = (1, 0);
            for _ in 0..200 {
                let (stored, verdict) = rate.take(full_at, now);
                prop_assert!(matches!(verdict, Verdict::Allowed { .. }), "{:?}", verdict);
                full_at = stored;
                now += MINUTE_NS / u64::from(per_minute) + jitter;
            }
        }
    }
}
