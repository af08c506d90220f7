//! Money: integer minor units of one currency, checked arithmetic only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What money arithmetic refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three upper-case letters.
    #[error("a currency is three upper-case letters (ISO 4217), such as BRL")]
    BadCurrency,
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
    /// Beyond 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

/// An ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Brazilian real.
    pub const BRL: Self = Self(*b"BRL");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Checked when made: ASCII letters only.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::BadCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(MoneyError::BadCurrency) }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hundredths of a percent: 10000 is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BasisPoints(pub u32);

/// An amount of one currency in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// That many minor units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in that currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Mixed(self.currency, other.currency))
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum overflows.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference overflows.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// `count` times the amount.
    ///
    /// # Errors
    /// When the product overflows.
    pub fn checked_mul(self, count: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(count).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// `numerator / denominator` of the amount, halves rounded to the even minor unit.
    ///
    /// # Errors
    /// When the result overflows or the denominator is not positive.
    pub fn fraction(self, numerator: i64, denominator: i64) -> Result<Self, MoneyError> {
        if denominator <= 0 {
            return Err(MoneyError::Overflow);
        }
        let product = i128::from(self.minor) * i128::from(numerator);
        let denominator = i128::from(denominator);
        let (quotient, rest) = (product.div_euclid(denominator), product.rem_euclid(denominator));
        let up = match (rest * 2).cmp(&denominator) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => quotient.rem_euclid(2),
            std::cmp::Ordering::Greater => 1,
        };
        let minor = i64::try_from(quotient + up).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// A share of the amount, halves rounded to the even minor unit.
    ///
    /// # Errors
    /// When the result overflows.
    pub fn share(self, share: BasisPoints) -> Result<Self, MoneyError> {
        self.fraction(i64::from(share.0), 10_000)
    }

    /// A share and the rest; together exactly the amount.
    ///
    /// # Errors
    /// When the share overflows.
    pub fn split(self, share: BasisPoints) -> Result<(Self, Self), MoneyError> {
        let part = self.share(share)?;
        Ok((part, self.checked_sub(part)?))
    }

    /// The sum of amounts of `currency`.
    ///
    /// # Errors
    /// When one is of another currency or the sum overflows.
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{} {sign}{}.{:02}", self.currency, minor / 100, minor % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::{BasisPoints, Currency, Money, MoneyError};
    use proptest::prelude::*;

    fn brl(minor: i64) -> Money {
        Money::new(minor, Currency::BRL)
    }

    #[test]
    fn halves_round_to_even() {
        for (minor, bp, expected) in [
            (1, 5_000, 0),
            (3, 5_000, 2),
            (5, 5_000, 2),
            (-1, 5_000, 0),
            (-3, 5_000, -2),
            (100, 3_333, 33),
            (7, 0, 0),
        ] {
            assert_eq!(brl(minor).share(BasisPoints(bp)), Ok(brl(expected)), "{minor} at {bp}");
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let euro = Money::new(1, Currency::EUR);
        assert_eq!(brl(1).checked_add(euro), Err(MoneyError::Mixed(Currency::BRL, Currency::EUR)));
        assert_eq!(brl(i64::MAX).checked_add(brl(1)), Err(MoneyError::Overflow));
        assert_eq!("brl".parse::<Currency>(), Err(MoneyError::BadCurrency));
        assert_eq!(brl(-123_456).to_string(), "BRL -1234.56");
    }

    proptest! {
        #[test]
        fn a_split_loses_nothing(minor in -1_000_000_000_000_i64..1_000_000_000_000, bp in 0_u32..=10_000) {
            let (part, rest) = brl(minor).split(BasisPoints(bp)).expect("no overflow");
            prop_assert_eq!(part.checked_add(rest), Ok(brl(minor)));
        }

        #[test]
        fn a_fraction_is_within_half_a_unit(minor in -1_000_000_i64..1_000_000, n in 0_i64..1_000, d in 1_i64..1_000) {
            let result = brl(minor).fraction(n, d).expect("no overflow").minor();
            prop_assert!((i128::from(result) * i128::from(d) - i128::from(minor) * i128::from(n)).abs() * 2 <= i128::from(d));
        }
    }
}
