//! Why a license refused. The codes are listed in `refusal.rs`.

use thiserror::Error;

use crate::feature::Feature;
use crate::label::BadLabel;
use crate::reason::BadReason;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LicenseError {
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    #[error(transparent)]
    BadReason(#[from] BadReason),
    #[error("there is no such license")]
    NotIssued,
    #[error("this license exists with other content")]
    Exists,
    #[error("the key, the note or the outcome did not arrive sealed, or is too long")]
    NotSealed,
    #[error("the license is bound to another account")]
    NotYours,
    #[error("the license was revoked; ask the seller")]
    Revoked,
    #[error("the license has {left} uses left and {needed} are needed; buy another one")]
    Exhausted { needed: u32, left: u32 },
    #[error("the license does not include {feature}")]
    WithoutFeature { feature: Feature },
    #[error("a use takes at least one unit")]
    NoUnits,
    #[error("this use was recorded with other content; use a new id for a new use")]
    UseDiffers,
    #[error("there is no such use, or it is too long ago to give units back")]
    NoSuchUse,
    #[error("this use has {units} units, which is fewer than it is to keep")]
    KeepsMore { units: u32 },
}

impl LicenseError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadLabel(_) => "E4004",
            Self::BadReason(_) => "E4005",
            Self::NotIssued => "E4090",
            Self::Exists => "E4091",
            Self::NotSealed => "E4092",
            Self::NotYours => "E4093",
            Self::Revoked => "E4094",
            Self::Exhausted { .. } => "E4095",
            Self::WithoutFeature { .. } => "E4096",
            Self::NoUnits => "E4002",
            Self::UseDiffers => "E4097",
            Self::NoSuchUse => "E4098",
            Self::KeepsMore { .. } => "E4099",
        }
    }
}
