//! The number people read: `ORD`, the UTC time to the second, and eight random lower-case hex digits.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const PREFIX: &str = "ORD";
const TIME: &str = "%Y%m%d%H%M%S";
const TIME_DIGITS: usize = 14;
const RANDOM_DIGITS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an order number looks like ORD20260105060000deadbeef")]
pub struct BadOrderNumber;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderNumber(String);

impl OrderNumber {
    /// `random` is the caller's chance; what makes a number unique is that it is reserved.
    pub fn new(at: DateTime<Utc>, random: u32) -> Self {
        Self(format!("{PREFIX}{}{random:08x}", at.format(TIME)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrderNumber {
    type Err = BadOrderNumber;

    fn from_str(text: &str) -> Result<Self, BadOrderNumber> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadOrderNumber)?;
        let (time, random) = digits.split_at_checked(TIME_DIGITS).ok_or(BadOrderNumber)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if random.len() != RANDOM_DIGITS || !random.bytes().all(is_hex) {
            return Err(BadOrderNumber);
        }
        if !time.bytes().all(|byte| byte.is_ascii_digit()) || NaiveDateTime::parse_from_str(time, TIME).is_err() {
            return Err(BadOrderNumber);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for OrderNumber {
    type Error = BadOrderNumber;

    fn try_from(text: String) -> Result<Self, BadOrderNumber> {
        text.parse()
    }
}

impl From<OrderNumber> for String {
    fn from(number: OrderNumber) -> Self {
        number.0
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::time;

    #[test]
    fn a_number_is_the_time_in_utc_and_eight_random_digits() {
        let number = OrderNumber::new(time("2026-01-05T14:07:09+08:00"), 0xbeef);
        assert_eq!((number.as_str(), number.to_string()), ("ORD202601050607090000beef", number.as_str().to_owned()));
        assert_eq!(number.as_str().parse(), Ok(number.clone()));
        assert_eq!(serde_json::from_str::<OrderNumber>(&serde_json::to_string(&number).unwrap()).unwrap(), number);
    }

    #[test]
    fn what_does_not_look_like_a_number_is_none() {
        for text in [
            "",
            "ORD",
            "ord20260105060000deadbeef",
            "ORD20260105060000DEADBEEF",
            "ORD20260105060000deadbee",
            "ORD20260105060000deadbeef0",
            "ORD20260105060000deadbeeg",
            "ORD20260230060000deadbeef",
            "ORD20260105250000deadbeef",
            "ORD2026010506000 deadbeef",
            "ORD+0260105060000deadbeef",
            "ORD2026010506000é0deadbee",
        ] {
            assert_eq!(text.parse::<OrderNumber>(), Err(BadOrderNumber), "{text:?}");
            assert!(serde_json::from_str::<OrderNumber>(&format!("{text:?}")).is_err());
        }
    }
}
