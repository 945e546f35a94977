//! Why a delivery refused. The codes are listed in `refusal.rs`.

use thiserror::Error;

use crate::label::BadLabel;
use crate::reason::BadReason;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    #[error("there is no such delivery")]
    NotRequested,
    #[error("this order is already delivered otherwise")]
    Differs,
    #[error("the API key of this delivery was already created")]
    KeyDiffers,
    #[error("an API key must be created before it can be mailed")]
    NoKeyYet,
    #[error("all of this delivery is done")]
    Done,
    #[error("what was bought was given back, so it is not delivered any more")]
    Withdrawn,
    #[error("of an API key only the last four characters are written down")]
    NotLastFour,
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error(transparent)]
    BadReason(#[from] BadReason),
}

impl DeliveryError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRequested => "E4070",
            Self::Differs => "E4071",
            Self::KeyDiffers => "E4072",
            Self::NoKeyYet => "E4073",
            Self::Done => "E4074",
            Self::NotLastFour => "E4075",
            Self::Withdrawn => "E4077",
            Self::BadLabel(_) => "E4004",
            Self::BadReason(_) => "E4005",
        }
    }
}
