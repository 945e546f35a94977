//! Bounds of time.

use chrono::{DateTime, Datelike, Utc};

/// RFC 3339 has four digits for the year; every reader of the log can take those.
pub const YEAR_MAX: i32 = 9_999;

pub(crate) fn is_writable(time: DateTime<Utc>) -> bool {
    (0..=YEAR_MAX).contains(&time.year())
}
