//! Whether a walker works at a time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use petwalker_kernel::{Millis, UtcMillis};
use serde::{Deserialize, Serialize};

/// One stretch of a week, in the walker's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkHours {
    /// 1 Monday to 7 Sunday.
    pub weekday: u8,
    /// Minutes after midnight.
    pub from_minute: u16,
    /// Minutes after midnight, at most 1440.
    pub to_minute: u16,
}

/// Whether all of a walk of `duration` from `starts_at` is within one stretch. No stretches: always.
#[must_use]
pub fn works_during(weekly: &[WorkHours], time_zone: &str, starts_at: UtcMillis, duration: Millis) -> bool {
    if weekly.is_empty() {
        return true;
    }
    let local = |moment: UtcMillis| {
        let zone = TimeZone::get(time_zone).ok()?;
        let zoned = Timestamp::from_millisecond(moment.get()).ok()?.to_zoned_datetime(zone);
        let weekday = u8::try_from(zoned.weekday().to_monday_one_offset()).ok()?;
        let minute = u16::try_from(i32::from(zoned.hour()) * 60 + i32::from(zoned.minute())).ok()?;
        Some((weekday, minute))
    };
    let (Some((day, from)), Some((_, to))) = (local(starts_at), local(starts_at.plus(duration))) else {
        return false;
    };
    // A walk that ends past midnight ends the day at 24:00 plus what is left.
    let to = if to < from { to + 1440 } else { to };
    weekly.iter().any(|hours| hours.weekday == day && hours.from_minute <= from && to <= hours.to_minute)
}

#[cfg(test)]
mod tests {
    use super::{WorkHours, works_during};
    use petwalker_kernel::{Millis, UtcMillis};

    #[test]
    fn hours_are_the_walkers_own() {
        let tuesday_morning = [WorkHours { weekday: 2, from_minute: 480, to_minute: 720 }];
        for (zone, start, minutes, expected) in [
            ("America/Sao_Paulo", "2026-06-09T11:00:00Z", 60, true),
            ("America/Sao_Paulo", "2026-06-09T10:59:00Z", 60, false),
            ("America/Sao_Paulo", "2026-06-09T14:30:00Z", 60, false),
            ("America/Manaus", "2026-06-09T11:00:00Z", 60, false),
            ("America/Sao_Paulo", "2026-06-10T11:00:00Z", 60, false),
            ("Nowhere/None", "2026-06-09T11:00:00Z", 60, false),
        ] {
            let at = UtcMillis::new(start.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
            assert_eq!(
                works_during(&tuesday_morning, zone, at, Millis::from_mins(minutes)),
                expected,
                "{zone} {start}"
            );
        }
        assert!(works_during(&[], "America/Sao_Paulo", UtcMillis::new(0), Millis::from_mins(30)));
    }
}
