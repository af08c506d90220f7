//! The price of a walk, line by line.

use petwalker_kernel::{BasisPoints, Money, MoneyError, UtcMillis};
use serde::{Deserialize, Serialize};

use super::band::{Band, CalendarError, band_at};
use super::tariff::{Coupon, Tariff};

/// How big a pet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Up to 10 kg.
    Small,
    /// Up to 25 kg.
    Medium,
    /// Up to 45 kg.
    Large,
    /// Above.
    Giant,
}

/// What a line of a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The fixed part.
    Base,
    /// The part by the minute.
    Time,
    /// Pets beyond the first.
    ExtraPets,
    /// Large and giant pets.
    Size,
    /// Night or weekend.
    TimeBand,
    /// Demand above supply.
    Surge,
    /// A coupon.
    Coupon,
    /// Minutes beyond the promise.
    Overrun,
    /// Minutes not walked.
    CutShort,
    /// Called off, or nobody there.
    Fee,
}

/// One line of a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is for.
    pub kind: LineKind,
    /// For a person.
    pub label: String,
    /// How much; negative for what is taken off.
    pub amount: Money,
}

/// What is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Minutes.
    pub duration_min: u32,
    /// The pets' sizes.
    pub sizes: Vec<Size>,
    /// When it starts.
    pub starts_at: UtcMillis,
    /// Demand multiplier, thousandths.
    pub surge_milli: u32,
}

/// Why a walk has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Amounts beyond 64 bits, or of two currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A time or zone that the calendar does not have.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// The lines of a walk's price. Their sum is the price.
///
/// # Errors
/// When an amount overflows or the tariff's time zone is unknown.
pub fn price(tariff: &Tariff, walk: &Walk, coupon: Option<&Coupon>) -> Result<Vec<Line>, PriceError> {
    let amount = |minor| Money::new(minor, tariff.currency);
    let mut bill = Bill { lines: Vec::new(), sum: amount(0) };
    bill.add(LineKind::Base, "base fare", amount(tariff.base_minor))?;
    let time = amount(tariff.per_minute_minor).checked_mul(walk.duration_min.into())?;
    bill.add(LineKind::Time, format!("{} min", walk.duration_min), time)?;

    let extra = walk.sizes.len().saturating_sub(1);
    if extra > 0 {
        let each = bill.sum.share(tariff.extra_pet)?;
        let count = i64::try_from(extra).unwrap_or(i64::MAX);
        bill.add(LineKind::ExtraPets, format!("{extra} more pet(s)"), each.checked_mul(count)?)?;
    }
    let of = |size| walk.sizes.iter().filter(|s| **s == size).count();
    for (size, each, label) in
        [(Size::Large, tariff.large_minor, "large"), (Size::Giant, tariff.giant_minor, "giant")]
    {
        let count = i64::try_from(of(size)).unwrap_or(i64::MAX);
        if count > 0 {
            bill.add(LineKind::Size, format!("{count} {label} pet(s)"), amount(each).checked_mul(count)?)?;
        }
    }
    let (label, share) = match band_at(walk.starts_at, &tariff.time_zone)? {
        Band::Night => ("night hours", tariff.night),
        Band::Weekend => ("weekend", tariff.weekend),
        Band::Day => ("", BasisPoints(0)),
    };
    if share.0 > 0 {
        bill.add(LineKind::TimeBand, label, bill.sum.share(share)?)?;
    }
    if walk.surge_milli > 1_000 {
        let surge = bill.sum.fraction(i64::from(walk.surge_milli) - 1_000, 1_000)?;
        let label = format!("high demand ×{}.{:02}", walk.surge_milli / 1_000, walk.surge_milli % 1_000 / 10);
        bill.add(LineKind::Surge, label, surge)?;
    }
    if let Some(coupon) = coupon {
        let off = bill.sum.share(coupon.off)?.minor().min(coupon.off_max.minor());
        bill.add(LineKind::Coupon, format!("coupon {}", coupon.code), amount(-off))?;
    }
    Ok(bill.lines)
}

struct Bill {
    lines: Vec<Line>,
    sum: Money,
}

impl Bill {
    fn add(&mut self, kind: LineKind, label: impl Into<String>, amount: Money) -> Result<(), MoneyError> {
        self.sum = self.sum.checked_add(amount)?;
        self.lines.push(Line { kind, label: label.into(), amount });
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Line, LineKind, Size, Walk, price};
    use crate::domain::{Cancellation, Coupon, Tariff};
    use petwalker_kernel::{BasisPoints, Currency, Money, UtcMillis};
    use proptest::prelude::*;

    pub(crate) fn tariff() -> Tariff {
        Tariff {
            currency: Currency::BRL,
            time_zone: "America/Sao_Paulo".into(),
            base_minor: 1_200,
            per_minute_minor: 55,
            extra_pet: BasisPoints(5_000),
            large_minor: 300,
            giant_minor: 600,
            night: BasisPoints(2_000),
            weekend: BasisPoints(1_000),
            surge_max_milli: 2_000,
            platform_fee: BasisPoints(2_000),
            cancellation: Cancellation {
                grace_min: 5,
                cutoff_hour: 20,
                late: BasisPoints(5_000),
                arrived: BasisPoints(10_000),
            },
        }
    }

    fn at(text: &str) -> UtcMillis {
        UtcMillis::new(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    fn figures(lines: &[Line]) -> Vec<(LineKind, i64)> {
        lines.iter().map(|l| (l.kind, l.amount.minor())).collect()
    }

    #[test]
    fn every_line_in_its_turn() {
        let walk = Walk {
            duration_min: 60,
            sizes: vec![Size::Small, Size::Large, Size::Giant],
            starts_at: at("2026-06-10T02:00:00Z"),
            surge_milli: 1_500,
        };
        let coupon = Coupon {
            code: "X".into(),
            off: BasisPoints(1_000),
            off_max: Money::new(1_000, Currency::BRL),
            expires_at: UtcMillis::new(i64::MAX),
        };
        let lines = price(&tariff(), &walk, Some(&coupon)).expect("a price");
        // 12.00 + 33.00; two more pets at half of 45.00; 3.00 + 6.00; a fifth of 99.00; half of 118.80; 10 % up to 10.00.
        assert_eq!(
            figures(&lines),
            [
                (LineKind::Base, 1_200),
                (LineKind::Time, 3_300),
                (LineKind::ExtraPets, 4_500),
                (LineKind::Size, 300),
                (LineKind::Size, 600),
                (LineKind::TimeBand, 1_980),
                (LineKind::Surge, 5_940),
                (LineKind::Coupon, -1_000),
            ]
        );
    }

    #[test]
    fn a_plain_walk_has_two_lines() {
        let walk = Walk {
            duration_min: 30,
            sizes: vec![Size::Medium],
            starts_at: at("2026-06-10T14:00:00Z"),
            surge_milli: 1_000,
        };
        let lines = price(&tariff(), &walk, None).expect("a price");
        assert_eq!(figures(&lines), [(LineKind::Base, 1_200), (LineKind::Time, 1_650)]);
    }

    proptest! {
        #[test]
        fn a_price_is_never_negative_and_grows_with_the_walk(
            duration_min in 15_u32..240, surge_milli in 1_000_u32..3_000, off in 1_u32..=10_000, hour in 0_i64..(24 * 7),
        ) {
            let walk = |duration_min| Walk {
                duration_min,
                sizes: vec![Size::Large],
                starts_at: UtcMillis::new(1_780_000_000_000 + hour * 3_600_000),
                surge_milli,
            };
            let coupon = Coupon {
                code: "C".into(),
                off: BasisPoints(off),
                off_max: Money::new(1_500, Currency::BRL),
                expires_at: UtcMillis::new(i64::MAX),
            };
            let total = |d| Money::sum(
                Currency::BRL,
                price(&tariff(), &walk(d), Some(&coupon)).expect("a price").iter().map(|l| l.amount),
            ).expect("a sum").minor();
            prop_assert!(total(duration_min) >= 0);
            prop_assert!(total(duration_min + 1) >= total(duration_min));
        }
    }
}
