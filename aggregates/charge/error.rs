//! Why a charge was refused. The codes are listed in `refusal.rs`.

use thiserror::Error;

use super::CHARGE_PACKAGES_MAX;
use crate::credits::Credits;
use crate::label::BadLabel;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChargeError {
    #[error("{needed} credits are needed, and today's quota and the balance come to {available}; nothing was taken")]
    NotEnough { needed: Credits, available: Credits },
    #[error("the amount must be more than zero")]
    AmountIsZero,
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error("a charge names at most {CHARGE_PACKAGES_MAX} packages, not {named}")]
    TooManyPackages { named: usize },
}

impl ChargeError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "E4001",
            Self::AmountIsZero => "E4002",
            Self::BadLabel(_) => "E4004",
            Self::TooManyPackages { .. } => "E4030",
        }
    }
}
