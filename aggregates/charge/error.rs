//! Why a charge was refused. The codes are listed in `refusal.rs`.

use thiserror::Error;

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
}

impl ChargeError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnough { .. } => "E4001",
            Self::AmountIsZero => "E4002",
            Self::BadLabel(_) => "E4004",
        }
    }
}
