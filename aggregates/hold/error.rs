//! Why a hold refused. The codes are listed in `refusal.rs`.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::credits::Credits;
use crate::label::BadLabel;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HoldError {
    #[error(
        "{needed} credits are needed, and today's quota and the balance come to {available}; nothing was set aside"
    )]
    NotEnough { needed: Credits, available: Credits },
    #[error("the amount must be more than zero")]
    AmountIsZero,
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error("there is no such hold")]
    NotReserved,
    #[error("this hold exists with other content; use a new id for a new hold")]
    Exists,
    #[error("{held} credits are held, and {asked} cannot be charged to them; settle for no more than is held")]
    MoreThanHeld { held: Credits, asked: Credits },
    #[error("the hold was settled for {amount} before")]
    AlreadySettled { amount: Credits },
    #[error("the hold was released before; nothing of it can be charged any more")]
    AlreadyReleased,
    #[error("the hold timed out at {expires_at}; nothing of it can be charged any more")]
    TimedOut { expires_at: DateTime<Utc> },
    #[error("the hold does not time out before {expires_at}")]
    NotTimedOut { expires_at: DateTime<Utc> },
    #[error("a hold times out later than now, and within a year")]
    BadExpiry,
    #[error("the back end that does the work reserved it, and a back end settles or releases it")]
    NotTheirs,
}

impl HoldError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "E4001",
            Self::AmountIsZero => "E4002",
            Self::BadLabel(_) => "E4004",
            Self::NotReserved => "E4080",
            Self::Exists => "E4081",
            Self::MoreThanHeld { .. } => "E4082",
            Self::AlreadySettled { .. } => "E4083",
            Self::AlreadyReleased => "E4084",
            Self::TimedOut { .. } => "E4085",
            Self::NotTimedOut { .. } => "E4086",
            Self::BadExpiry => "E4087",
            Self::NotTheirs => "E4088",
        }
    }
}
