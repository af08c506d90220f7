//! From the promise to the invoice: the quote's lines and named adjustments.

use petwalker_kernel::{BasisPoints, Money, MoneyError};

use super::price::{Line, LineKind};
use super::tariff::Tariff;

/// How a ride ended, as far as the price goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Walked to the end in so many milliseconds.
    Completed(u64),
    /// Cut short after so many.
    Interrupted(u64),
    /// Called off, or nobody there.
    CalledOff(Money),
}

/// What is invoiced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The quote's lines, then the adjustments.
    pub lines: Vec<Line>,
    /// Their sum.
    pub total: Money,
    /// The platform's share.
    pub platform_fee: BasisPoints,
}

/// Minutes beyond the promise that cost nothing.
const OVERRUN_FREE_MIN: u64 = 5;
/// Minutes beyond the promise that are charged at most: a forgotten ride does not ruin anybody.
const OVERRUN_MIN_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// What a ride quoted with `lines` for `duration_min` costs after `outcome`.
///
/// # Errors
/// When an amount overflows.
pub fn settle(
    tariff: &Tariff,
    lines: &[Line],
    duration_min: u32,
    outcome: Outcome,
) -> Result<Settlement, MoneyError> {
    let currency = tariff.currency;
    let quoted = Money::sum(currency, lines.iter().map(|l| l.amount))?;
    let mut settled = lines.to_vec();
    let promised = u64::from(duration_min);
    match outcome {
        Outcome::Completed(elapsed_ms) => {
            let over =
                (elapsed_ms / MINUTE_MS).saturating_sub(promised + OVERRUN_FREE_MIN).min(OVERRUN_MIN_MAX);
            if over > 0 {
                let minutes = i64::try_from(over).unwrap_or(i64::MAX);
                let amount = Money::new(tariff.per_minute_minor, currency).checked_mul(minutes)?;
                settled.push(line(LineKind::Overrun, format!("{over} min beyond the promise"), amount));
            }
        }
        Outcome::Interrupted(elapsed_ms) => {
            let walked_ms = elapsed_ms.min(promised * MINUTE_MS);
            let part = quoted.fraction(as_i64(walked_ms), as_i64((promised * MINUTE_MS).max(1)))?;
            let off = part.checked_sub(quoted)?;
            if off.minor() < 0 {
                let label = format!("cut short after {} of {promised} min", walked_ms / MINUTE_MS);
                settled.push(line(LineKind::CutShort, label, off));
            }
        }
        Outcome::CalledOff(fee) => {
            settled = vec![line(LineKind::Fee, "cancellation".to_owned(), fee)];
        }
    }
    let total = Money::sum(currency, settled.iter().map(|l| l.amount))?;
    Ok(Settlement { lines: settled, total, platform_fee: tariff.platform_fee })
}

fn line(kind: LineKind, label: String, amount: Money) -> Line {
    Line { kind, label, amount }
}

fn as_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Outcome, settle};
    use crate::domain::price::tests::tariff;
    use crate::domain::{Line, LineKind};
    use petwalker_kernel::{Currency, Money};
    use proptest::prelude::*;

    fn quote() -> Vec<Line> {
        let line =
            |kind, minor| Line { kind, label: String::new(), amount: Money::new(minor, Currency::BRL) };
        vec![line(LineKind::Base, 1_200), line(LineKind::Time, 3_300)]
    }

    #[test]
    fn the_invoice_is_the_quote_plus_named_adjustments() {
        let minutes = |n: u64| n * 60_000;
        for (outcome, kind, total) in [
            (Outcome::Completed(minutes(60)), None, 4_500),
            (Outcome::Completed(minutes(65) + 59_999), None, 4_500),
            (Outcome::Completed(minutes(66)), Some(LineKind::Overrun), 4_555),
            (Outcome::Completed(minutes(100_000)), Some(LineKind::Overrun), 4_500 + 60 * 55),
            (Outcome::Completed(minutes(5)), None, 4_500),
            (Outcome::Interrupted(minutes(30)), Some(LineKind::CutShort), 2_250),
            (Outcome::Interrupted(0), Some(LineKind::CutShort), 0),
            (Outcome::Interrupted(minutes(90)), None, 4_500),
            (Outcome::CalledOff(Money::new(2_250, Currency::BRL)), Some(LineKind::Fee), 2_250),
        ] {
            let settlement = settle(&tariff(), &quote(), 60, outcome).expect("settles");
            assert_eq!(settlement.total.minor(), total, "{outcome:?}");
            let last = settlement.lines.last().map(|l| l.kind);
            assert_eq!(last, kind.or(Some(LineKind::Time)), "{outcome:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_add_up_to_the_total(elapsed in 0_u64..20_000_000, cut in any::<bool>()) {
            let outcome = if cut { Outcome::Interrupted(elapsed) } else { Outcome::Completed(elapsed) };
            let settlement = settle(&tariff(), &quote(), 60, outcome).expect("settles");
            let sum = Money::sum(Currency::BRL, settlement.lines.iter().map(|l| l.amount)).expect("a sum");
            prop_assert_eq!(sum, settlement.total);
            prop_assert!(settlement.total.minor() >= 0);
        }
    }
}
