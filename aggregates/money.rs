//! Money: integer minor units and a currency. No float in, no float out, no sum across currencies.
//!
//! A currency is one of ISO 4217, or a unit that an operator declared with its number of decimals. A declared unit
//! carries its decimals wherever it is written (`LDC/2`), so an event can be read without the settings of its day.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decimal::{self, DECIMALS_MAX, DecimalError};

pub const UNIT_CODE_BYTES_MIN: usize = 3;
pub const UNIT_CODE_BYTES_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    #[error("the amount {0}")]
    Decimal(#[from] DecimalError),
    #[error("{left} and {right} cannot be put together")]
    CurrenciesDiffer { left: Currency, right: Currency },
    #[error("the sum is too large")]
    Overflow,
    #[error("nobody to share between: all shares are zero")]
    NoShares,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CurrencyError {
    #[error("this currency is not in ISO 4217 and has not been declared")]
    Unknown,
    #[error("this currency has no minor unit, so no amount of it can be counted")]
    NoMinorUnit,
    #[error("the code of a declared unit has {UNIT_CODE_BYTES_MIN} to {UNIT_CODE_BYTES_MAX} letters A-Z or digits")]
    BadCode,
    #[error("a declared unit has at most {DECIMALS_MAX} decimal places")]
    TooManyDecimals,
    #[error("a declared unit cannot take the name of an ISO 4217 currency")]
    TakenByIso,
}

/// Only the two constructors make one, so its decimals are always known and at most 18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(Unit);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unit {
    Iso { currency: iso_currency::Currency, decimals: u8 },
    Declared { code: [u8; UNIT_CODE_BYTES_MAX], decimals: u8 },
}

impl Currency {
    pub fn iso(code: &str) -> Result<Self, CurrencyError> {
        let currency = iso_currency::Currency::from_code(code).ok_or(CurrencyError::Unknown)?;
        let decimals = currency.exponent().and_then(|decimals| u8::try_from(decimals).ok());
        let decimals = decimals.filter(|decimals| *decimals <= DECIMALS_MAX).ok_or(CurrencyError::NoMinorUnit)?;
        Ok(Self(Unit::Iso { currency, decimals }))
    }

    pub fn declared(code: &str, decimals: u8) -> Result<Self, CurrencyError> {
        if !(UNIT_CODE_BYTES_MIN..=UNIT_CODE_BYTES_MAX).contains(&code.len())
            || !code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        {
            return Err(CurrencyError::BadCode);
        }
        if decimals > DECIMALS_MAX {
            return Err(CurrencyError::TooManyDecimals);
        }
        if iso_currency::Currency::from_code(code).is_some() {
            return Err(CurrencyError::TakenByIso);
        }

        let mut bytes = [0; UNIT_CODE_BYTES_MAX];
        for (to, from) in bytes.iter_mut().zip(code.bytes()) {
            *to = from;
        }
        Ok(Self(Unit::Declared { code: bytes, decimals }))
    }

    pub fn code(&self) -> &str {
        match &self.0 {
            Unit::Iso { currency, .. } => currency.code(),
            Unit::Declared { code, .. } => {
                std::str::from_utf8(code).map(|code| code.trim_end_matches('\0')).unwrap_or_default()
            }
        }
    }

    pub const fn decimals(&self) -> u8 {
        match self.0 {
            Unit::Iso { decimals, .. } | Unit::Declared { decimals, .. } => decimals,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// `CNY`, or `LDC/2` for a declared unit.
impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match text.split_once('/') {
            None => Self::iso(text),
            Some((code, decimals)) => {
                Self::declared(code, decimals.parse().map_err(|_| CurrencyError::TooManyDecimals)?)
            }
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        match currency.0 {
            Unit::Iso { .. } => currency.code().to_owned(),
            Unit::Declared { decimals, .. } => format!("{}/{decimals}", currency.code()),
        }
    }
}

/// An amount, possibly negative: whether it may be is for the one who asks for it to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    pub const fn zero(currency: Currency) -> Self {
        Self::from_minor(0, currency)
    }

    /// `"30"` or `"30.00"`, with no more decimals than the currency has.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        Ok(Self::from_minor(decimal::parse(text, currency.decimals())?, currency))
    }

    pub const fn minor(&self) -> i64 {
        self.minor
    }

    pub const fn currency(&self) -> Currency {
        self.currency
    }

    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    pub const fn is_negative(&self) -> bool {
        self.minor < 0
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.with(other, i64::checked_add)
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.with(other, i64::checked_sub)
    }

    fn with(self, other: Self, sum: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrenciesDiffer { left: self.currency, right: other.currency });
        }
        let minor = sum(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::from_minor(minor, self.currency))
    }

    /// Shares the amount out in proportion to `weights`, to the last minor unit: what rounding down leaves over goes,
    /// one unit each, to the largest remainders, the earlier share first among equals.
    pub fn allocate(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let total: u128 = weights.iter().copied().map(u128::from).sum();
        if total == 0 {
            return Err(MoneyError::NoShares);
        }

        // Worked out on the absolute amount, so that a refund is shared exactly as the payment was.
        let amount = u128::from(self.minor.unsigned_abs());
        let mut left_over = amount;
        let mut shares = Vec::with_capacity(weights.len());
        for (place, weight) in weights.iter().copied().map(u128::from).enumerate() {
            let exact = amount.checked_mul(weight).ok_or(MoneyError::Overflow)?;
            left_over = left_over.checked_sub(exact / total).ok_or(MoneyError::Overflow)?;
            shares.push((place, exact / total, exact % total));
        }
        shares.sort_by_key(|(place, _, remainder)| (std::cmp::Reverse(*remainder), *place));
        for (_, share, _) in &mut shares {
            if left_over == 0 {
                break;
            }
            *share += 1;
            left_over -= 1;
        }
        shares.sort_by_key(|(place, ..)| *place);

        shares.into_iter().map(|(_, share, _)| self.share(share)).collect()
    }

    fn share(self, minor: u128) -> Result<Self, MoneyError> {
        let minor = i128::try_from(minor).map_err(|_| MoneyError::Overflow)?;
        let minor = if self.is_negative() { -minor } else { minor };
        let minor = i64::try_from(minor).map_err(|_| MoneyError::Overflow)?;
        Ok(Self::from_minor(minor, self.currency))
    }
}

/// The decimal number alone: `30.00`. The currency is shown by whoever knows where it belongs.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.minor, self.currency.decimals(), self.currency.decimals())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn iso(code: &str) -> Currency {
        Currency::iso(code).unwrap()
    }

    fn minor(shares: &[Money]) -> Vec<i64> {
        shares.iter().map(Money::minor).collect()
    }

    #[test]
    fn thirty_yuan_are_three_thousand_fen() {
        assert_eq!(Money::parse("30.00", iso("CNY")).unwrap().minor(), 3_000);
        assert_eq!(Money::parse("30", iso("CNY")).unwrap().minor(), 3_000);
        assert_eq!(Money::parse("30", iso("JPY")).unwrap().minor(), 30);
        assert_eq!(Money::parse("1.234", iso("KWD")).unwrap().minor(), 1_234);
        assert_eq!(Money::parse("-92233720368547758.08", iso("CNY")).unwrap().minor(), i64::MIN);
    }

    #[test]
    fn more_digits_than_the_currency_has_are_an_error() {
        for (text, currency) in [("30.001", "CNY"), ("30.000", "CNY"), ("30.0", "JPY")] {
            let most = iso(currency).decimals();
            let refused = Err(MoneyError::Decimal(DecimalError::TooManyDecimals { most }));
            assert_eq!(Money::parse(text, iso(currency)), refused);
        }
    }

    #[test]
    fn all_decimals_of_the_currency_are_shown() {
        for (amount, currency, shown) in
            [(3_000, "CNY", "30.00"), (30, "JPY", "30"), (-5, "CNY", "-0.05"), (7, "KWD", "0.007")]
        {
            assert_eq!(Money::from_minor(amount, iso(currency)).to_string(), shown);
        }
    }

    #[test]
    fn a_declared_unit_brings_its_decimals_along() {
        let ldc = Currency::declared("LDC", 2).unwrap();
        let money = Money::parse("12.5", ldc).unwrap();
        let json = r#"{"minor":1250,"currency":"LDC/2"}"#;
        assert_eq!(serde_json::to_string(&money).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money);
        assert_eq!((money.to_string(), ldc.code()), ("12.50".to_owned(), "LDC"));
    }

    #[test]
    fn a_currency_is_known_countable_and_written_in_capitals() {
        assert_eq!(iso("CNY").to_string(), "CNY");
        assert_eq!(Currency::iso("cny"), Err(CurrencyError::Unknown));
        assert_eq!(Currency::iso("LDC"), Err(CurrencyError::Unknown));
        assert_eq!(Currency::iso("XAU"), Err(CurrencyError::NoMinorUnit));
        assert_eq!(Currency::declared("CNY", 2), Err(CurrencyError::TakenByIso));
        assert_eq!(Currency::declared("LDC", 19), Err(CurrencyError::TooManyDecimals));
        for code in ["", "LD", "ldc", "TOOLONGAS", "L C", "L/C", "LÖC"] {
            assert_eq!(Currency::declared(code, 2), Err(CurrencyError::BadCode), "{code:?}");
        }
    }

    #[test]
    fn currencies_are_never_mixed() {
        let (yuan, yen) = (iso("CNY"), iso("JPY"));
        let refused = Err(MoneyError::CurrenciesDiffer { left: yuan, right: yen });
        assert_eq!(Money::zero(yuan).checked_add(Money::zero(yen)), refused);
        assert_eq!(Money::zero(yuan).checked_sub(Money::zero(yen)), refused);
    }

    #[test]
    fn a_sum_too_large_is_refused() {
        let (most, one) = (Money::from_minor(i64::MAX, iso("CNY")), Money::from_minor(1, iso("CNY")));
        assert_eq!(most.checked_add(one), Err(MoneyError::Overflow));
        assert_eq!(Money::from_minor(i64::MIN, iso("CNY")).checked_sub(one), Err(MoneyError::Overflow));
    }

    #[test]
    fn the_largest_remainders_get_what_is_left_over() {
        let yuan = |amount| Money::from_minor(amount, iso("CNY"));
        assert_eq!(minor(&yuan(100).allocate(&[1, 1, 1]).unwrap()), [34, 33, 33]);
        assert_eq!(minor(&yuan(100).allocate(&[1, 4, 2]).unwrap()), [14, 57, 29]);
        assert_eq!(minor(&yuan(-100).allocate(&[1, 1, 1]).unwrap()), [-34, -33, -33]);
        assert_eq!(minor(&yuan(5).allocate(&[0, 3, 0]).unwrap()), [0, 5, 0]);
        assert_eq!(yuan(5).allocate(&[]), Err(MoneyError::NoShares));
        assert_eq!(yuan(5).allocate(&[0, 0]), Err(MoneyError::NoShares));
    }

    proptest! {
        #[test]
        fn sharing_out_conserves_the_amount(
            amount: i64,
            weights in prop::collection::vec(prop_oneof![0_u64..10, any::<u64>()], 1..20),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let whole = Money::from_minor(amount, iso("CNY"));
            let shares = whole.allocate(&weights).unwrap();
            let total: u128 = weights.iter().copied().map(u128::from).sum();

            let sum = shares.iter().map(|share| i128::from(share.minor())).sum::<i128>();
            prop_assert_eq!(sum, i128::from(amount));
            for (share, weight) in shares.iter().zip(weights) {
                // Nobody is further than one unit from the exact share.
                let floor = u128::from(amount.unsigned_abs()) * u128::from(weight) / total;
                let got = u128::from(share.minor().unsigned_abs());
                prop_assert!(got == floor || got == floor + 1);
                prop_assert!(weight > 0 || share.is_zero());
            }
        }

        #[test]
        fn what_is_shown_can_be_read_back(amount: i64, decimals in 0..=DECIMALS_MAX) {
            let money = Money::from_minor(amount, Currency::declared("UNIT", decimals).unwrap());
            prop_assert_eq!(Money::parse(&money.to_string(), money.currency()), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn taking_away_undoes_adding(a: i64, b: i64) {
            let (a, b) = (Money::from_minor(a, iso("EUR")), Money::from_minor(b, iso("EUR")));
            if let Ok(sum) = a.checked_add(b) {
                prop_assert_eq!(sum.checked_sub(b), Ok(a));
            }
        }
    }
}
