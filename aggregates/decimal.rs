//! Decimal text to integer units and back: the one place that knows how.
//! No float, no rounding: a digit that the unit cannot hold is an error, because rounding moves money silently.

use std::fmt;

use thiserror::Error;

/// 10^18 is the largest power of ten in an `i64`.
pub(crate) const DECIMALS_MAX: u8 = 18;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
    #[error("is not a decimal number like 30 or 30.00")]
    Malformed,
    #[error("has more than {most} decimal places")]
    TooManyDecimals { most: u8 },
    #[error("is too large")]
    OutOfRange,
}

/// `-?` digits, then optionally a point and more digits; nothing else, so every number has few spellings.
pub(crate) fn parse(text: &str, decimals: u8) -> Result<i64, DecimalError> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return Err(DecimalError::Malformed),
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(DecimalError::Malformed);
    }
    let Some(missing) = usize::from(decimals).checked_sub(fraction.len()) else {
        return Err(DecimalError::TooManyDecimals { most: decimals });
    };

    // Counted downwards: the negative half of an i64 is the larger one.
    digits()
        .chain(std::iter::repeat_n(b'0', missing))
        .try_fold(0_i64, |sum, byte| sum.checked_mul(10)?.checked_sub(i64::from(byte.saturating_sub(b'0'))))
        .and_then(|sum| if negative { Some(sum) } else { sum.checked_neg() })
        .ok_or(DecimalError::OutOfRange)
}

/// Writes all `decimals`, less the trailing zeros beyond the first `at_least` of them.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, units: i64, decimals: u8, at_least: u8) -> fmt::Result {
    let scale = 10_u64.saturating_pow(u32::from(decimals));
    let whole = units.unsigned_abs() / scale;
    let mut fraction = units.unsigned_abs() % scale;
    let mut width = decimals;
    while width > at_least && fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }

    let sign = if units < 0 { "-" } else { "" };
    match width {
        0 => write!(f, "{sign}{whole}"),
        _ => write!(f, "{sign}{whole}.{fraction:0width$}", width = usize::from(width)),
    }
}
