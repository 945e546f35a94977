//! Creem's words: what it is asked, what it answers, what it tells. Amounts are integers in minor units. Buyers are told
//! to it and never read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(super) struct CreateCheckout<'a> {
    pub(super) product_id: &'a str,
    pub(super) request_id: &'a str,
    /// Only products that are sold once take another price than their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_price: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<Customer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) success_url: Option<&'a str>,
    pub(super) metadata: NewMetadata<'a>,
}

#[derive(Serialize)]
pub(super) struct Customer<'a> {
    pub(super) email: &'a str,
}

#[derive(Serialize)]
pub(super) struct NewMetadata<'a> {
    pub(super) order_no: &'a str,
}

#[derive(Serialize)]
pub(super) struct CreateRefund<'a> {
    pub(super) transaction_id: &'a str,
}

/// What was paid for is kept, and it ends with its period.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelSubscription {
    pub(super) mode: &'static str,
    pub(super) on_execute: &'static str,
}

/// Some are only named, some are there as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Linked<T> {
    Name(String),
    Whole(T),
}

/// Whatever it is, it has a name.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

impl Linked<Named> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Name(id) | Self::Whole(Named { id }) => id,
        }
    }
}

/// What was given with the checkout comes back with all that comes of it; and whatever else somebody put there.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Metadata {
    pub(super) order_no: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Checkout {
    pub(super) id: Option<String>,
    pub(super) checkout_url: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) order: Option<Order>,
    pub(super) subscription: Option<Linked<Named>>,
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_paid: Option<i64>,
    pub(super) tax_amount: Option<i64>,
    pub(super) currency: String,
    pub(super) status: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) transaction: Option<Linked<Named>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_paid: Option<i64>,
    pub(super) tax_amount: Option<i64>,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) refunded_amount: Option<i64>,
    pub(super) order: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transactions {
    pub(super) items: Vec<Transaction>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) last_transaction_id: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) refund_amount: i64,
    pub(super) refund_currency: String,
    pub(super) reason: Option<String>,
    pub(super) transaction: Linked<Transaction>,
    pub(super) checkout: Option<Linked<RefundedCheckout>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RefundedCheckout {
    pub(super) id: String,
    pub(super) request_id: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// The answer to a refund that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct RefundAsked {
    pub(super) id: Option<String>,
    pub(super) status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: Option<String>,
    pub(super) transaction: Option<Linked<Named>>,
}

/// What all notifications have in common. `eventType` and `object` are documented; `type` and `data` are what their own
/// library takes as well.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    pub(super) id: Option<String>,
    #[serde(rename = "eventType")]
    event_type: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    pub(super) fn event(&self) -> &str {
        self.event_type.as_deref().or(self.kind.as_deref()).unwrap_or_default()
    }

    /// JSON of what it is about.
    pub(super) fn object(&self) -> &str {
        self.object.or(self.data).map_or("null", RawValue::get)
    }
}

/// In which of their worlds something happened.
#[derive(Debug, Deserialize)]
pub(super) struct Placed {
    pub(super) mode: Option<String>,
}
