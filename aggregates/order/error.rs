//! Why an order refused. The codes are listed in `refusal.rs`.

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::payment::BadPayment;
use super::refund::RefundStage;
use super::{OrderStatus, REFUNDS_MAX};
use crate::money::{Currency, Money};
use crate::product::ProductError;
use crate::reason::BadReason;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    #[error("there is no such order")]
    NotPlaced,
    #[error("this number already names another order")]
    Exists,
    #[error("the price of an order must be more than zero")]
    PriceIsZero,
    #[error("an order cannot expire before it is placed, or at a time that cannot be written down")]
    BadExpiry,
    #[error("the name of a provider has 1 to 32 bytes and no control characters")]
    BadProvider,
    #[error("the order is {status} and can no longer be changed")]
    NotPending { status: OrderStatus },
    #[error("the order expires at {expires_at}, not before")]
    NotYetExpired { expires_at: DateTime<Utc> },
    #[error("this order's payment is already open elsewhere")]
    CheckoutDiffers,
    #[error(transparent)]
    BadPayment(#[from] BadPayment),
    #[error("too many payments of this order are up for review")]
    TooManyReviews,
    #[error("this order's payment is opened by an address, the content of a QR code, or both")]
    BadCheckout,
    #[error("this payment was already reported with another amount")]
    PaymentDiffers,
    #[error("there is no such payment of this order, or it does not wait for anybody's decision")]
    NoSuchPayment,
    #[error("there is no such refund of this order")]
    NoSuchRefund,
    #[error("a refund must be of more than zero")]
    RefundIsZero,
    #[error("of this payment {left} can still be given back, and no more")]
    RefundTooMuch { left: Money },
    #[error("this payment was made in {currency}, and goes back in {currency}")]
    RefundCurrency { currency: Currency },
    #[error("this refund was recorded with other content; use a new id for a new refund")]
    RefundDiffers,
    #[error("an order has at most {REFUNDS_MAX} refunds")]
    TooManyRefunds,
    #[error("the refund is {stage}, and is not tried again")]
    RefundEnded { stage: RefundStage },
    #[error(transparent)]
    Product(#[from] ProductError),
    #[error(transparent)]
    BadReason(#[from] BadReason),
}

impl OrderError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPlaced => "E4050",
            Self::Exists => "E4051",
            Self::PriceIsZero => "E4052",
            Self::BadExpiry => "E4053",
            Self::BadProvider => "E4054",
            Self::NotPending { .. } => "E4055",
            Self::NotYetExpired { .. } => "E4056",
            Self::CheckoutDiffers => "E4057",
            Self::BadPayment(_) => "E4058",
            Self::TooManyReviews => "E4059",
            Self::BadCheckout => "E4061",
            Self::PaymentDiffers => "E4062",
            Self::NoSuchPayment => "E4063",
            Self::NoSuchRefund => "E4064",
            Self::RefundTooMuch { .. } => "E4065",
            Self::RefundCurrency { .. } => "E4066",
            Self::RefundDiffers => "E4067",
            Self::TooManyRefunds => "E4068",
            Self::RefundEnded { .. } => "E4069",
            Self::RefundIsZero => "E4002",
            Self::Product(error) => error.code(),
            Self::BadReason(_) => "E4005",
        }
    }
}

impl std::fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl OrderStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Fulfilled => "fulfilled",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Refunding => "refunding",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }
}
