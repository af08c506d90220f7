//! What a day comes to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use petwalker_kernel::UtcMillis;

/// Days that are told at once.
pub const DAYS_MAX: i32 = 366;

/// Something that happened to a ride.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The event's type.
    pub event_type: String,
    /// When.
    pub at: UtcMillis,
    /// Offers that were made.
    pub offers: u32,
    /// From start to end of a walk, milliseconds.
    pub walked_ms: u64,
    /// Its length in metres.
    pub walked_m: u32,
}

/// What happened in a region in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rides asked for.
    pub requested: u32,
    /// Offers made.
    pub offers: u32,
    /// Rides accepted.
    pub accepted: u32,
    /// Walks walked to their end.
    pub completed: u32,
    /// Walks cut short.
    pub interrupted: u32,
    /// Rides called off.
    pub cancelled: u32,
    /// Rides that nobody took.
    pub expired: u32,
    /// Walkers who came in vain.
    pub no_shows: u32,
    /// How long was walked, milliseconds.
    pub walked_ms: u64,
    /// How far, metres.
    pub walked_m: u64,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, happening: &Happening) {
        let counter = match happening.event_type.as_str() {
            "ride.requested" => &mut self.requested,
            "ride.accepted" => &mut self.accepted,
            "ride.completed" => &mut self.completed,
            "ride.interrupted" => &mut self.interrupted,
            "ride.cancelled" => &mut self.cancelled,
            "ride.expired" => &mut self.expired,
            "ride.no-show" => &mut self.no_shows,
            "ride.offered" => {
                self.offers = self.offers.saturating_add(happening.offers);
                return;
            }
            _ => return,
        };
        *counter = counter.saturating_add(1);
        self.walked_ms = self.walked_ms.saturating_add(happening.walked_ms);
        self.walked_m = self.walked_m.saturating_add(happening.walked_m.into());
    }
}

/// The day of a moment in UTC, `YYYY-MM-DD`; none for a moment that no calendar has.
#[must_use]
pub fn day_of(at: UtcMillis) -> Option<String> {
    let at = Timestamp::from_millisecond(at.get()).ok()?;
    Some(at.to_zoned_datetime(TimeZone::UTC).date().to_string())
}

/// What each day comes to.
#[must_use]
pub fn by_day(happenings: &[Happening]) -> BTreeMap<String, Tally> {
    let mut days: BTreeMap<String, Tally> = BTreeMap::new();
    for happening in happenings {
        if let Some(day) = day_of(happening.at) {
            days.entry(day).or_default().count(happening);
        }
    }
    days.retain(|_, tally| *tally != Tally::default());
    days
}

/// A span of days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub since: Date,
    /// The last.
    pub until: Date,
}

/// Why days are no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// One of them is no day.
    #[error("{0} must be a day such as 2026-11-25")]
    Day(&'static str),
    /// The last comes before the first, or long after it.
    #[error("until must be 0 to {} days after since", DAYS_MAX - 1)]
    Length,
}

impl Span {
    /// From one day to another.
    ///
    /// # Errors
    /// When one is no day, or there are too many between them.
    pub fn new(since: &str, until: &str) -> Result<Self, SpanError> {
        let day = |field, text: &str| {
            let date: Date = text.parse().map_err(|_| SpanError::Day(field))?;
            // One spelling only: days are compared as text in the database.
            if date.to_string() == text { Ok(date) } else { Err(SpanError::Day(field)) }
        };
        let span = Self { since: day("since", since)?, until: day("until", until)? };
        let days = (span.until - span.since).get_days();
        if (0..DAYS_MAX).contains(&days) { Ok(span) } else { Err(SpanError::Length) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Happening, Span, SpanError, Tally, by_day, day_of};
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    fn happening(event_type: &str, at: i64) -> Happening {
        Happening {
            event_type: event_type.to_owned(),
            at: UtcMillis::new(at),
            offers: 3,
            walked_ms: 0,
            walked_m: 0,
        }
    }

    #[test]
    fn each_event_is_counted_where_it_belongs() {
        // 2026-11-25 is the day that begins 1_795_564_800 s after 1970.
        const MIDNIGHT: i64 = 1_795_564_800_000;
        let mut walk = happening("ride.completed", MIDNIGHT);
        (walk.walked_ms, walk.walked_m) = (1_800_000, 2_300);
        let all = [
            happening("ride.requested", MIDNIGHT - 1),
            happening("ride.offered", MIDNIGHT),
            happening("ride.accepted", MIDNIGHT),
            walk,
            happening("ride.paused", MIDNIGHT),
            happening("track.left", MIDNIGHT),
        ];
        let days = by_day(&all);
        assert_eq!(days.keys().collect::<Vec<_>>(), ["2026-11-24", "2026-11-25"]);
        assert_eq!(days["2026-11-24"], Tally { requested: 1, ..Tally::default() });
        let expected = Tally {
            offers: 3,
            accepted: 1,
            completed: 1,
            walked_ms: 1_800_000,
            walked_m: 2_300,
            ..Tally::default()
        };
        assert_eq!(days["2026-11-25"], expected);
        assert!(by_day(&[happening("ride.paused", MIDNIGHT)]).is_empty());
    }

    #[test]
    fn spans_are_of_days_and_not_too_long() {
        assert!(Span::new("2026-11-25", "2026-11-25").is_ok());
        assert!(Span::new("2024-01-01", "2024-12-31").is_ok());
        assert_eq!(Span::new("2024-01-01", "2025-01-01"), Err(SpanError::Length));
        assert_eq!(Span::new("2026-11-25", "2026-11-24"), Err(SpanError::Length));
        for wrong in ["", "25/11/2026", "2026-02-30", "20261125", "2026-11-25T00:00"] {
            assert_eq!(Span::new(wrong, "2026-11-25"), Err(SpanError::Day("since")), "{wrong}");
        }
    }

    proptest! {
        /// However a run of events is cut into pieces, the days come to the same.
        #[test]
        fn pieces_add_up(ats in proptest::collection::vec(0_i64..400_000_000, 0..40), cut in 0_usize..40) {
            let all: Vec<_> = ats.iter().map(|at| happening("ride.requested", *at)).collect();
            let (one, other) = all.split_at(cut.min(all.len()));
            let sum = |days: std::collections::BTreeMap<String, Tally>| {
                days.into_iter().map(|(day, tally)| (day, tally.requested)).collect::<Vec<_>>()
            };
            let mut parts: std::collections::BTreeMap<String, u32> = sum(by_day(one)).into_iter().collect();
            for (day, count) in sum(by_day(other)) {
                *parts.entry(day).or_default() += count;
            }
            prop_assert_eq!(parts.into_iter().collect::<Vec<_>>(), sum(by_day(&all)));
        }

        /// No moment makes it panic.
        #[test]
        fn every_moment_has_a_day_or_none(at in any::<i64>()) {
            prop_assert!(day_of(UtcMillis::new(at)).is_none_or(|day| day.len() >= 10));
        }
    }
}
