//! Crossmint's words: orders as they are created, told and asked for. Buyers are told to it and never read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateOrder<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipient: Option<Recipient<'a>>,
    pub(super) payment: NewPayment<'a>,
    pub(super) line_items: [LineItem; 1],
}

#[derive(Serialize)]
pub(super) struct Recipient<'a> {
    pub(super) email: &'a str,
}

impl std::fmt::Debug for Recipient<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(…)")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPayment<'a> {
    pub(super) method: &'a str,
    /// In lower case there.
    pub(super) currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt_email: Option<&'a str>,
}

impl std::fmt::Debug for NewPayment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPayment").field("method", &self.method).field("currency", &self.currency).finish()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineItem {
    pub(super) collection_locator: String,
    pub(super) call_data: CallData,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallData {
    /// A decimal number as text.
    pub(super) total_price: String,
    pub(super) quantity: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) client_secret: Option<String>,
    pub(super) order: Order,
}

/// The least that is said of an order, told or asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) order_id: String,
    pub(super) quote: Option<Quote>,
    pub(super) payment: Option<Payment>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quote {
    pub(super) total_price: Option<Price>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Payment {
    pub(super) status: Option<String>,
    pub(super) method: Option<String>,
    pub(super) received: Option<Price>,
    pub(super) refunded: Option<Price>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Price {
    /// A decimal number as text, and its text is read as it stands where it is a number all the same.
    pub(super) amount: Box<RawValue>,
    pub(super) currency: String,
}

/// What all notifications have in common.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// An order of which nothing but its name is understood.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) order_id: String,
}
