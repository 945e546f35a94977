//! What may be asked of an order.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::error::OrderError;
use super::number::OrderNumber;
use crate::ids::{ProductId, RefundId};
use crate::money::Money;
use crate::product::ProductKind;

pub const CHECKOUT_BYTES_MAX: usize = 4_096;

/// Money that arrives is none of these, nor is money that went back: they are `TakePayment` and `TakeRefund`, which also
/// deliver and take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OrderCommand {
    /// Said again with the same content it changes nothing.
    Place(PlaceOrder),
    /// Where the customer pays, once the provider has said so.
    OpenCheckout(Checkout),
    Expire,
    Cancel,
    Fail {
        reason: String,
    },
    /// Money is to go back. What is asked for, and what has gone back, never come to more than was paid. The same refund
    /// again changes nothing.
    RequestRefund(RequestRefund),
    /// An attempt to give money back came to nothing, as far as is known.
    RefundFailed {
        refund: RefundId,
        attempt: u32,
        reason: String,
    },
    /// The provider will not give it back.
    RefundRefused {
        refund: RefundId,
        reason: String,
    },
    GiveUpRefund {
        refund: RefundId,
    },
    RetryRefund {
        refund: RefundId,
    },
    /// A payment that waits for review was settled elsewhere.
    DismissReview {
        provider: String,
        payment_id: String,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRefund {
    pub refund: RefundId,
    /// Says whose `payment_id` it is, where several providers use the same one.
    #[serde(default)]
    pub provider: Option<String>,
    /// None: the payment that the order was paid with.
    #[serde(default)]
    pub payment_id: Option<String>,
    /// None: all that is left of it.
    #[serde(default)]
    pub amount: Option<Money>,
    pub reason: String,
    /// None: exactly when nothing of the order's own payment is left once it is done.
    #[serde(default)]
    pub revoke: Option<bool>,
}

/// A copy of what is bought: what becomes of the product later never reaches the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    pub number: OrderNumber,
    pub product: ProductId,
    pub name: String,
    pub kind: ProductKind,
    /// Whose days the bought package counts.
    pub time_zone: Tz,
    pub price: Money,
    pub provider: String,
    pub expires_at: DateTime<Utc>,
}

/// How the customer can pay: an address to open, the content of a QR code, both; or neither, where the provider's own
/// component pays in a browser by the provider's name for the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr: Option<String>,
    /// What the provider calls the order, where it does not go by our number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Checkout {
    pub(super) fn check(&self) -> Result<(), OrderError> {
        let fine =
            |text: &String| (1..=CHECKOUT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let all = || self.url.iter().chain(&self.qr).chain(&self.reference);
        if all().count() > 0 && all().all(fine) { Ok(()) } else { Err(OrderError::BadCheckout) }
    }
}
