//! Why a package refused. The codes are listed in `refusal.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use thiserror::Error;

use super::DURATION_DAYS_MAX;
use crate::credits::Credits;
use crate::label::BadLabel;
use crate::reason::BadReason;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserPackageError {
    #[error("{needed} credits are needed and {left} of today's quota are left; ask for less or wait for the next day")]
    NotEnough { needed: Credits, left: Credits },
    #[error("the amount must be more than zero")]
    AmountIsZero,
    #[error("the quota of the whole package would be too large to count; choose a smaller one")]
    TooLarge,
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error("the daily limit must be more than zero")]
    DailyLimitIsZero,
    #[error("a package runs for 1 to {DURATION_DAYS_MAX} days, not {days}")]
    DurationOutOfRange { days: u32 },
    #[error("this package is already active with other terms; use a new id for a new package")]
    TermsDiffer,
    #[error("this package has not been activated")]
    NotActivated,
    #[error("this package starts at {starts_at}")]
    NotStarted { starts_at: DateTime<Utc> },
    #[error("this package ended at {ended_at}; buy a new one")]
    Ended { ended_at: DateTime<Utc> },
    #[error("this package runs until {ends_at}")]
    NotEnded { ends_at: DateTime<Utc> },
    #[error("this package was revoked, and pays nothing any more")]
    Revoked,
    #[error("this package starts at {starts_at}; one that has not started can be moved to start sooner")]
    NotSooner { starts_at: DateTime<Utc> },
    #[error("this package was bought with other orders")]
    NotItsOrder,
    #[error("so much is not held of the quota of {day}")]
    NotHeld { day: NaiveDate },
    #[error(transparent)]
    BadReason(#[from] BadReason),
    #[error("this package would run at a time that cannot be written down")]
    TimeOutOfRange,
}

impl UserPackageError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "E4001",
            Self::AmountIsZero => "E4002",
            Self::TooLarge => "E4003",
            Self::BadLabel(_) => "E4004",
            Self::BadReason(_) => "E4005",
            Self::DailyLimitIsZero => "E4020",
            Self::DurationOutOfRange { .. } => "E4021",
            Self::TermsDiffer => "E4022",
            Self::NotActivated => "E4023",
            Self::NotStarted { .. } => "E4024",
            Self::Ended { .. } => "E4025",
            Self::TimeOutOfRange => "E4026",
            Self::NotEnded { .. } => "E4027",
            Self::Revoked => "E4028",
            Self::NotSooner { .. } => "E4029",
            Self::NotItsOrder => "E4031",
            Self::NotHeld { .. } => "E4032",
        }
    }
}
