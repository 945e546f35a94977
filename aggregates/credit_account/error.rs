//! Why a credit account refused. The codes are listed in `refusal.rs`.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::credits::Credits;
use crate::ids::GrantId;
use crate::label::BadLabel;
use crate::reason::BadReason;
use crate::time::YEAR_MAX;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreditAccountError {
    #[error("{needed} credits are needed and {available} are available; add credits or ask for less")]
    NotEnough { needed: Credits, available: Credits },
    #[error("the amount must be more than zero")]
    AmountIsZero,
    #[error("the balance would become too large to count; grant less")]
    TooLarge,
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error(transparent)]
    BadReason(#[from] BadReason),
    #[error("grant {grant} exists with another source, amount or expiry; use a new id for a new grant")]
    GrantDiffers { grant: GrantId },
    #[error("a grant that expired at {expires_at} would never be worth anything; choose a later expiry")]
    ExpiresInThePast { expires_at: DateTime<Utc> },
    #[error("the expiry must be in the year {YEAR_MAX} or before; leave it out for credits that never expire")]
    ExpiresTooLate,
    #[error("grant {grant} has not expired")]
    NotExpired { grant: GrantId },
}

impl CreditAccountError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "E4001",
            Self::AmountIsZero => "E4002",
            Self::TooLarge => "E4003",
            Self::BadLabel(_) => "E4004",
            Self::BadReason(_) => "E4005",
            Self::GrantDiffers { .. } => "E4010",
            Self::ExpiresInThePast { .. } => "E4011",
            Self::ExpiresTooLate => "E4012",
            Self::NotExpired { .. } => "E4013",
        }
    }
}
