//! The time in which points of a walk can have been taken: from its start to the moment when the last of them came.
//!
//! Devices' clocks are a little wrong, so a little before and after counts as well. What is dated otherwise is kept and does not
//! count: it is of another walk, or of none.

use petwalker_kernel::{Millis, UtcMillis};
use serde::{Deserialize, Serialize};

/// When points of a walk can have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    started_at: UtcMillis,
    /// When the last points came.
    latest: UtcMillis,
    skew: Millis,
}

impl Window {
    /// The window of a walk that starts, for clocks that are wrong by at most `skew`.
    #[must_use]
    pub const fn of(started_at: UtcMillis, skew: Millis) -> Self {
        Self { started_at, latest: started_at, skew }
    }

    /// Points come now.
    pub fn extend(&mut self, now: UtcMillis) {
        self.latest = self.latest.max(now);
    }

    /// Whether a point of that time can be of the walk.
    #[must_use]
    pub fn holds(&self, at: UtcMillis) -> bool {
        at.plus(self.skew) >= self.started_at && at <= self.latest.plus(self.skew)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use petwalker_kernel::{Millis, UtcMillis};

    #[test]
    fn a_little_before_and_after_counts() {
        let at = |seconds: i64| UtcMillis::new(1_780_000_000_000 + seconds * 1_000);
        let mut window = Window::of(at(0), Millis::from_secs(120));
        window.extend(at(60));
        window.extend(at(30));
        for (seconds, holds) in
            [(-86_400, false), (-121, false), (-120, true), (0, true), (180, true), (181, false)]
        {
            assert_eq!(window.holds(at(seconds)), holds, "{seconds}");
        }
    }
}
