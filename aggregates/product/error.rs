//! Why a product refused. The codes are listed in `refusal.rs`.

use thiserror::Error;

use super::{CREDITS_MAX, DESCRIPTION_BYTES_MAX, GRACE_DAYS_MAX, NAME_BYTES_MAX, PERIOD_MONTHS_MAX, PRICES_MAX};
use crate::user_package::{DURATION_DAYS_MAX, UserPackageError};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProductError {
    #[error("there is no such product")]
    NotCreated,
    #[error("this number already names another product")]
    Exists,
    #[error("a product cannot become something of another kind; create a new one")]
    KindChanged,
    #[error("the product is not on sale")]
    NotOnSale,
    #[error("the name of a product has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    BadName,
    #[error(
        "the description of a product has at most {DESCRIPTION_BYTES_MAX} bytes and no control characters but line breaks"
    )]
    BadDescription,
    #[error("a product has 1 to {PRICES_MAX} prices, each above zero and in a currency of its own")]
    BadPrices,
    #[error("the code of a product never changes; create another product")]
    CodeChanged,
    #[error("a change of plan is bought for a subscription, and is not a product")]
    NotForSale,
    #[error("a license has at least one use and one feature")]
    BadLicenseTerms,
    #[error(
        "credits are more than zero and at most {CREDITS_MAX}, and valid for 1 to {DURATION_DAYS_MAX} days or for ever"
    )]
    BadCredits,
    #[error(
        "a period has 1 to {DURATION_DAYS_MAX} days or 1 to {PERIOD_MONTHS_MAX} months, and at most {GRACE_DAYS_MAX} \
         days of grace"
    )]
    BadPeriod,
    #[error(transparent)]
    Package(#[from] UserPackageError),
}

impl ProductError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotCreated => "E4040",
            Self::Exists => "E4041",
            Self::KindChanged => "E4042",
            Self::NotOnSale => "E4043",
            Self::BadName => "E4044",
            Self::BadDescription => "E4045",
            Self::BadPrices => "E4046",
            Self::CodeChanged => "E4047",
            Self::NotForSale => "E4043",
            Self::BadLicenseTerms => "E4048",
            Self::BadCredits | Self::BadPeriod => "E4049",
            Self::Package(error) => error.code(),
        }
    }
}
