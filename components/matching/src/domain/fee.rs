//! What calling off costs.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use petwalker_kernel::{BasisPoints, Millis, UtcMillis};
use serde::{Deserialize, Serialize};

use super::order::Commitment;

/// The rules of a ride's cancellation, fixed when it is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationPolicy {
    /// After acceptance, minutes in which calling off is free.
    pub grace_min: u32,
    /// Hour of the evening before the walk, in the walker's time zone, from which it costs.
    pub cutoff_hour: u8,
    /// Share of the price after the cutoff.
    pub late: BasisPoints,
    /// Share of the price once the walker has arrived.
    pub arrived: BasisPoints,
}

/// A time zone or a time that the calendar does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the walker's time zone or the time of the walk is not one the calendar knows")]
pub struct CalendarError;

/// The share of the price that a tutor pays for calling off at `at` a walk that starts at `starts_at`.
///
/// # Errors
/// When the time zone is unknown.
pub fn fee_bp(
    policy: CancellationPolicy,
    by: &Commitment,
    starts_at: UtcMillis,
    arrived: bool,
    at: UtcMillis,
) -> Result<BasisPoints, CalendarError> {
    if arrived {
        return Ok(policy.arrived);
    }
    if at <= by.accepted_at.plus(Millis::from_mins(policy.grace_min.into())) {
        return Ok(BasisPoints(0));
    }
    let cutoff = evening_before(starts_at, &by.time_zone, policy.cutoff_hour)?;
    Ok(if at < cutoff { BasisPoints(0) } else { policy.late })
}

/// `hour` o'clock of the day before `moment`, as clocks in `zone` show it.
fn evening_before(moment: UtcMillis, zone: &str, hour: u8) -> Result<UtcMillis, CalendarError> {
    let zone = TimeZone::get(zone).map_err(|_| CalendarError)?;
    let local =
        Timestamp::from_millisecond(moment.get()).map_err(|_| CalendarError)?.to_zoned_datetime(zone.clone());
    let hour = i8::try_from(hour).map_err(|_| CalendarError)?;
    let time = Time::new(hour, 0, 0, 0).map_err(|_| CalendarError)?;
    let evening = local.date().yesterday().map_err(|_| CalendarError)?.to_datetime(time);
    // Where the clocks skip that hour the moment after the gap counts, as people would read it.
    let zoned = zone.to_ambiguous_zoned_datetime(evening).compatible().map_err(|_| CalendarError)?;
    Ok(UtcMillis::new(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::{CancellationPolicy, fee_bp};
    use crate::domain::Commitment;
    use petwalker_kernel::{AccountId, BasisPoints, Moment, SeededEntropy, UtcMillis};

    fn at(text: &str) -> UtcMillis {
        UtcMillis::new(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn cutoffs_run_in_the_walkers_time_zone() {
        let policy = CancellationPolicy {
            grace_min: 5,
            cutoff_hour: 20,
            late: BasisPoints(5_000),
            arrived: BasisPoints(10_000),
        };
        let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
        let walker_id = AccountId::new(&mut moment);
        // The walk is at 8 in the morning of 10 June in the walker's zone.
        let cases = [
            ("America/Sao_Paulo", "2026-06-10T11:00:00Z", "2026-06-09T22:59:59Z", false, 0),
            ("America/Sao_Paulo", "2026-06-10T11:00:00Z", "2026-06-09T23:00:00Z", false, 5_000),
            ("America/Manaus", "2026-06-10T12:00:00Z", "2026-06-09T23:59:59Z", false, 0),
            ("America/Manaus", "2026-06-10T12:00:00Z", "2026-06-10T00:00:00Z", false, 5_000),
            // Lisbon is an hour ahead of UTC in summer.
            ("Europe/Lisbon", "2026-06-10T07:00:00Z", "2026-06-09T18:59:59Z", false, 0),
            ("Europe/Lisbon", "2026-06-10T07:00:00Z", "2026-06-09T19:00:00Z", false, 5_000),
            ("Europe/Lisbon", "2026-06-10T07:00:00Z", "2026-06-01T00:00:00Z", true, 10_000),
        ];
        for (zone, start, now, arrived, expected) in cases {
            let by = Commitment {
                walker_id,
                accepted_at: at("2026-06-01T00:00:00Z"),
                time_zone: zone.into(),
                capacity: None,
            };
            let share = fee_bp(policy, &by, at(start), arrived, at(now));
            assert_eq!(share, Ok(BasisPoints(expected)), "{zone} {now}");
        }
    }

    #[test]
    fn grace_comes_before_the_cutoff() {
        let policy = CancellationPolicy {
            grace_min: 5,
            cutoff_hour: 20,
            late: BasisPoints(5_000),
            arrived: BasisPoints(10_000),
        };
        let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
        let by = Commitment {
            walker_id: AccountId::new(&mut moment),
            accepted_at: at("2026-06-10T11:00:00Z"),
            time_zone: "America/Sao_Paulo".into(),
            capacity: None,
        };
        let start = at("2026-06-10T11:00:00Z");
        assert_eq!(fee_bp(policy, &by, start, false, at("2026-06-10T11:05:00Z")), Ok(BasisPoints(0)));
        assert_eq!(fee_bp(policy, &by, start, false, at("2026-06-10T11:05:01Z")), Ok(BasisPoints(5_000)));
        let nowhere = Commitment { time_zone: "Mars/Base".into(), ..by };
        assert!(fee_bp(policy, &nowhere, start, false, at("2026-06-11T00:00:00Z")).is_err());
    }
}
