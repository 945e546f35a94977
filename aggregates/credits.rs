//! Credits: prepaid units with six decimal places, counted in integer micro-credits.
//!
//! A `Credits` is never negative: a debt is not a small amount of credits but a fact of its own, and subtraction
//! that would cross zero answers `None`. In JSON of events and states it is the integer number of micro-credits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decimal::{self, DecimalError};

const DECIMALS: u8 = 6;
const DECIMALS_SHOWN_MIN: u8 = 2;
const MICROS_PER_CREDIT: i64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Credits(i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CreditsError {
    #[error("an amount of credits cannot be negative")]
    Negative,
    #[error("the amount of credits {0}")]
    Decimal(#[from] DecimalError),
}

impl Credits {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(i64::MAX);

    pub const fn from_micros(micros: i64) -> Result<Self, CreditsError> {
        match micros {
            0.. => Ok(Self(micros)),
            _ => Err(CreditsError::Negative),
        }
    }

    /// Whole credits; every `u32` fits.
    pub fn whole(credits: u32) -> Self {
        Self(i64::from(credits).saturating_mul(MICROS_PER_CREDIT))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `None` beyond what can be counted.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).filter(|micros| *micros >= 0).map(Self)
    }

    pub fn checked_mul(self, times: u32) -> Option<Self> {
        self.0.checked_mul(i64::from(times)).map(Self)
    }
}

impl TryFrom<i64> for Credits {
    type Error = CreditsError;

    fn try_from(micros: i64) -> Result<Self, CreditsError> {
        Self::from_micros(micros)
    }
}

impl From<Credits> for i64 {
    fn from(credits: Credits) -> Self {
        credits.0
    }
}

impl FromStr for Credits {
    type Err = CreditsError;

    fn from_str(text: &str) -> Result<Self, CreditsError> {
        Self::from_micros(decimal::parse(text, DECIMALS)?)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0, DECIMALS, DECIMALS_SHOWN_MIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_without_a_float() {
        assert_eq!("5.00".parse::<Credits>(), Ok(Credits::whole(5)));
        assert_eq!("0.000001".parse::<Credits>(), Ok(Credits(1)));
        assert_eq!("9223372036854.775807".parse::<Credits>(), Ok(Credits::MAX));
    }

    #[test]
    fn a_seventh_decimal_is_an_error_and_not_a_rounding() {
        let refused = CreditsError::Decimal(DecimalError::TooManyDecimals { most: 6 });
        assert_eq!("0.0000001".parse::<Credits>(), Err(refused));
        assert_eq!("1.0000000".parse::<Credits>(), Err(refused));
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for text in [
            "", " ", "-", ".", ".5", "5.", "+5", "05", "5e3", "1,5", " 5", "5 ", "0x5", "1_000", "٣", "NaN", "--5",
            "1.-5",
        ] {
            assert_eq!(text.parse::<Credits>(), Err(CreditsError::Decimal(DecimalError::Malformed)), "{text:?}");
        }
        assert_eq!("-5".parse::<Credits>(), Err(CreditsError::Negative));
        assert_eq!("9223372036854.775808".parse::<Credits>(), Err(CreditsError::Decimal(DecimalError::OutOfRange)));
    }

    #[test]
    fn at_least_two_decimals_are_shown_and_no_further_zeros() {
        for (micros, shown) in
            [(0, "0.00"), (1, "0.000001"), (1_500_000, "1.50"), (1_234_000, "1.234"), (30_000_000, "30.00")]
        {
            assert_eq!(Credits(micros).to_string(), shown);
        }
    }

    #[test]
    fn json_is_an_integer_and_never_negative() {
        assert_eq!(serde_json::to_string(&Credits::whole(1)).unwrap(), "1000000");
        assert!(serde_json::from_str::<Credits>("-1").is_err());
        assert!(serde_json::from_str::<Credits>("1.0").is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(micros in 0..=i64::MAX) {
            prop_assert_eq!(Credits(micros).to_string().parse(), Ok(Credits(micros)));
        }

        #[test]
        fn adding_and_taking_never_leave_the_range(a in 0..=i64::MAX, b in 0..=i64::MAX) {
            let (a, b) = (Credits(a), Credits(b));
            if let Some(sum) = a.checked_add(b) {
                prop_assert_eq!(sum.checked_sub(b), Some(a));
            }
            prop_assert_eq!(a.checked_sub(b).is_some(), a >= b);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
            prop_assert!(text.parse::<Credits>().is_err() || plain);
        }
    }
}
