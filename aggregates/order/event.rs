//! What has happened to an order, with wire names. Amounts of money are integer minor units.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::Checkout;
use super::number::OrderNumber;
use super::payment::Payment;
use crate::events::events;
use crate::ids::{ProductId, UserPackageId};
use crate::money::Money;
use crate::product::ProductKind;

events! {
    OrderEvent {
        "placed" v 1 => Placed(Placed),
        "checkout_opened" v 1 => CheckoutOpened(CheckoutOpened),
        "paid" v 1 => Paid(Paid),
        "fulfilled" v 1 => Fulfilled(Fulfilled),
        "expired" v 1 => Expired(Expired),
        "cancelled" v 1 => Cancelled(Cancelled),
        "failed" v 1 => Failed(Failed),
        "payment_mismatched" v 1 => PaymentMismatched(PaymentMismatched),
        "payment_duplicated" v 1 => PaymentDuplicated(PaymentDuplicated),
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
    pub at: DateTime<Utc>,
}

/// What the customer got for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivered {
    UserPackage(UserPackageId),
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
