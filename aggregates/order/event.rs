//! What has happened to an order, with wire names. Amounts of money are integer minor units.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::Checkout;
use super::number::OrderNumber;
use super::payment::Payment;
use crate::credits::Credits;
use crate::events::events;
use crate::ids::{GrantId, LicenseId, ProductId, RefundId, SubscriptionId, UserPackageId};
use crate::money::Money;
use crate::product::ProductKind;

events! {
    OrderEvent {
        "placed" v 2 => Placed(Placed),
        "checkout_opened" v 2 => CheckoutOpened(CheckoutOpened),
        "paid" v 1 => Paid(Paid),
        "fulfilled" v 2 => Fulfilled(Fulfilled),
        "expired" v 1 => Expired(Expired),
        "cancelled" v 1 => Cancelled(Cancelled),
        "failed" v 1 => Failed(Failed),
        "payment_mismatched" v 1 => PaymentMismatched(PaymentMismatched),
        "payment_duplicated" v 1 => PaymentDuplicated(PaymentDuplicated),
        "review_closed" v 1 => ReviewClosed(ReviewClosed),
        "refund_requested" v 1 => RefundRequested(RefundRequested),
        "refund_failed" v 1 => RefundFailed(RefundFailed),
        "refund_refused" v 1 => RefundRefused(RefundRefused),
        "refund_given_up" v 1 => RefundGivenUp(RefundGivenUp),
        "refund_retried" v 1 => RefundRetried(RefundRetried),
        "refunded" v 1 => Refunded(Refunded),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    pub number: OrderNumber,
    pub product: ProductId,
    pub name: String,
    pub kind: ProductKind,
    pub time_zone: Tz,
    pub price: Money,
    pub provider: String,
    pub placed_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckoutOpened {
    pub checkout: Checkout,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paid {
    pub payment: Payment,
    /// The order had expired, or been cancelled or failed, before.
    pub late: bool,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fulfilled {
    pub delivered: Delivered,
    /// That it granted; none: it was about other things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    pub at: DateTime<Utc>,
}

/// What the customer got for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivered {
    /// A new one, or days for one that was there.
    UserPackage(UserPackageId),
    License(LicenseId),
    Grant(GrantId),
    /// A new one, or a further period of one that was there.
    Subscription(SubscriptionId),
    PlanChange(SubscriptionId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// Another amount, currency or provider than the order's: nothing was delivered for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentMismatched {
    pub payment: Payment,
    pub at: DateTime<Utc>,
}

/// A second payment for what was paid already, to be given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentDuplicated {
    pub payment: Payment,
    pub at: DateTime<Utc>,
}

/// A payment that waited for review waits no longer, and no money goes back for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewClosed {
    pub provider: String,
    pub payment_id: String,
    pub outcome: ReviewOutcome,
    pub reason: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It pays for the order after all.
    Accepted,
    /// It was settled elsewhere.
    Dismissed,
}

/// Money is to go back: the order's own payment, or one that nothing was delivered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRequested {
    pub refund: RefundId,
    pub provider: String,
    pub payment_id: String,
    pub amount: Money,
    pub reason: String,
    /// Whether what was delivered goes back whole, whatever part of the money does. None: nobody said so, and it is decided
    /// when the money has gone back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<bool>,
    pub at: DateTime<Utc>,
}

/// Whether it happened there is not known, or it did not: it will be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundFailed {
    pub refund: RefundId,
    /// Counted over the refund's whole life, from 1.
    pub attempt: u32,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// The provider said a plain no: no money went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRefused {
    pub refund: RefundId,
    pub reason: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundGivenUp {
    pub refund: RefundId,
    pub attempts: u32,
    pub at: DateTime<Utc>,
}

/// By hand, after it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRetried {
    pub refund: RefundId,
    pub at: DateTime<Utc>,
}

/// Money went back, asked for here or not. What it paid for is taken back in the same commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refunded {
    pub refund: RefundId,
    pub provider: String,
    pub payment_id: String,
    pub amount: Money,
    /// The provider's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_refund: Option<String>,
    /// What was delivered went back whole, whatever part of the money did.
    pub revoke: bool,
    pub at: DateTime<Utc>,
}
