//! Which hours cost more, by the clocks of the place.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use petwalker_kernel::UtcMillis;

/// A kind of hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// 22:00 to 06:00.
    Night,
    /// Saturday and Sunday, by day.
    Weekend,
    /// The rest.
    Day,
}

/// A time zone or a time that the calendar does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tariff's time zone or the time of the walk is not one the calendar knows")]
pub struct CalendarError;

/// The band of a moment, by the clocks of `time_zone`.
///
/// # Errors
/// When the time zone is unknown or the moment beyond the calendar.
pub fn band_at(moment: UtcMillis, time_zone: &str) -> Result<Band, CalendarError> {
    let zone = TimeZone::get(time_zone).map_err(|_| CalendarError)?;
    let local = Timestamp::from_millisecond(moment.get()).map_err(|_| CalendarError)?.to_zoned_datetime(zone);
    Ok(match (local.hour(), local.weekday()) {
        (22.. | ..6, _) => Band::Night,
        (_, Weekday::Saturday | Weekday::Sunday) => Band::Weekend,
        _ => Band::Day,
    })
}

#[cfg(test)]
mod tests {
    use super::{Band, band_at};
    use petwalker_kernel::UtcMillis;

    #[test]
    fn hours_are_those_of_the_place() {
        for (at, zone, expected) in [
            ("2026-06-09T15:00:00Z", "America/Sao_Paulo", Band::Day),
            ("2026-06-10T00:59:00Z", "America/Sao_Paulo", Band::Day),
            ("2026-06-10T01:00:00Z", "America/Sao_Paulo", Band::Night),
            ("2026-06-10T08:59:00Z", "America/Sao_Paulo", Band::Night),
            ("2026-06-13T15:00:00Z", "America/Sao_Paulo", Band::Weekend),
            // Sunday 23:30 in Lisbon's summer time is night, Monday 00:30 too.
            ("2026-06-14T22:30:00Z", "Europe/Lisbon", Band::Night),
            // Winter time: 22:00 UTC is 22:00.
            ("2026-01-12T21:59:00Z", "Europe/Lisbon", Band::Day),
            ("2026-01-12T22:00:00Z", "Europe/Lisbon", Band::Night),
        ] {
            let moment = UtcMillis::new(at.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
            assert_eq!(band_at(moment, zone), Ok(expected), "{at} {zone}");
        }
        assert!(band_at(UtcMillis::new(0), "Atlantis/Deep").is_err());
        assert!(band_at(UtcMillis::new(i64::MAX), "UTC").is_err());
    }
}
