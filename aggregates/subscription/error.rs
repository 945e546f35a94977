//! Why a subscription refused. The codes are listed in `refusal.rs`.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::reason::BadReason;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubscriptionError {
    #[error(transparent)]
    BadReason(#[from] BadReason),
    #[error("there is no such subscription")]
    NotStarted,
    #[error("this subscription exists with other content")]
    Exists,
    #[error("the subscription has ended; start a new one")]
    Ended,
    #[error("the subscription is paid for until {ends_at}")]
    NotOver { ends_at: DateTime<Utc> },
    #[error("a period would end at a time that cannot be written down")]
    TimeOutOfRange,
    #[error("the plan of a subscription is paid in its own currency")]
    OtherCurrency,
    #[error("the last period was not paid for; pay it before the plan is changed")]
    PastDue,
}

impl SubscriptionError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadReason(_) => "E4005",
            Self::NotStarted => "E4100",
            Self::Exists => "E4101",
            Self::Ended => "E4102",
            Self::NotOver { .. } => "E4103",
            Self::TimeOutOfRange => "E4104",
            Self::OtherCurrency => "E4105",
            Self::PastDue => "E4106",
        }
    }
}
