//! Times, days and words that a query or a cursor may hold: what PostgreSQL has a value for, and no more. Everything
//! else is refused where it is read, so that no statement is ever asked with it.

use aggregates::YEAR_MAX;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer};

const YEAR_MIN: i32 = 1;

/// A time in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

/// A day in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub NaiveDate);

/// Text without NUL, which no column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = DateTime::<Utc>::deserialize(deserializer)?;
        in_calendar(&time).map(|()| Self(time))
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let day = NaiveDate::deserialize(deserializer)?;
        in_calendar(&day).map(|()| Self(day))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('\0') { Err(de::Error::custom("must not hold NUL")) } else { Ok(Self(text)) }
    }
}

fn in_calendar<E: de::Error>(date: &impl Datelike) -> Result<(), E> {
    if (YEAR_MIN..=YEAR_MAX).contains(&date.year()) {
        return Ok(());
    }
    Err(E::custom(format_args!("has to be in the years {YEAR_MIN} to {YEAR_MAX}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads<'de, T: Deserialize<'de>>(json: &'de str) -> bool {
        serde_json::from_str::<T>(json).is_ok()
    }

    #[test]
    fn only_what_the_database_has_a_value_for_is_read() {
        for (day, fine) in [
            ("0001-01-01", true),
            ("9999-12-31", true),
            ("0000-12-31", false),
            ("-0001-01-01", false),
            ("-200000-01-01", false),
            ("+10000-01-01", false),
        ] {
            assert_eq!(reads::<Day>(&format!("\"{day}\"")), fine, "{day}");
            assert_eq!(reads::<Moment>(&format!("\"{day}T12:00:00Z\"")), fine, "{day}");
        }
        assert!(reads::<Word>(r#""支付""#) && !reads::<Word>(r#""a\u0000""#));
    }
}
