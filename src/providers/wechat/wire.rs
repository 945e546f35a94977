//! What they write and read. Fields that nobody here needs are left out, and those of a buyer on purpose.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub(super) struct NativeOrder<'a> {
    pub(super) appid: &'a str,
    pub(super) mchid: &'a str,
    pub(super) description: &'a str,
    pub(super) out_trade_no: &'a str,
    pub(super) time_expire: String,
    pub(super) notify_url: &'a str,
    pub(super) amount: Total<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Total<'a> {
    pub(super) total: i64,
    pub(super) currency: &'a str,
}

#[derive(Debug, Deserialize)]
pub(super) struct CodeUrl {
    pub(super) code_url: String,
}

#[derive(Debug, Serialize)]
pub(super) struct NewRefund<'a> {
    pub(super) transaction_id: &'a str,
    pub(super) out_refund_no: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) reason: &'a str,
    pub(super) notify_url: &'a str,
    pub(super) amount: RefundTotal<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct RefundTotal<'a> {
    pub(super) refund: i64,
    pub(super) total: i64,
    pub(super) currency: &'a str,
}

/// A notification.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) resource: Resource,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    pub(super) algorithm: String,
    pub(super) ciphertext: String,
    #[serde(default)]
    pub(super) associated_data: Option<String>,
    pub(super) nonce: String,
}

pub(super) const ALGORITHM: &str = "AEAD_AES_256_GCM";

/// In a notification, and of a query.
#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) mchid: String,
    pub(super) appid: String,
    pub(super) out_trade_no: String,
    pub(super) transaction_id: Option<String>,
    pub(super) trade_type: Option<String>,
    pub(super) trade_state: String,
    pub(super) amount: Option<Amount>,
}

/// In fen.
#[derive(Debug, Deserialize)]
pub(super) struct Amount {
    pub(super) total: i64,
    pub(super) currency: Option<String>,
}

/// In a notification.
#[derive(Debug, Deserialize)]
pub(super) struct RefundNotice {
    pub(super) mchid: String,
    pub(super) out_trade_no: String,
    pub(super) transaction_id: String,
    pub(super) out_refund_no: String,
    pub(super) refund_id: String,
    pub(super) refund_status: String,
    pub(super) amount: RefundAmount,
}

/// Of a refund, and of a query for one.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) refund_id: String,
    pub(super) out_refund_no: String,
    pub(super) transaction_id: String,
    pub(super) status: String,
    pub(super) amount: RefundAmount,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundAmount {
    pub(super) refund: i64,
    pub(super) currency: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Trouble {
    pub(super) code: String,
}

pub(super) mod event {
    pub(in super::super) const PAID: &str = "TRANSACTION.SUCCESS";
    pub(in super::super) const REFUNDED: &str = "REFUND.SUCCESS";
    pub(in super::super) const REFUND_STUCK: &str = "REFUND.ABNORMAL";
    pub(in super::super) const REFUND_CLOSED: &str = "REFUND.CLOSED";
}

/// Of a trade, and of a refund.
pub(super) mod state {
    pub(in super::super) const SUCCESS: &str = "SUCCESS";
    /// A trade that was paid, and some of it went back.
    pub(in super::super) const REFUND: &str = "REFUND";
    pub(in super::super) const PROCESSING: &str = "PROCESSING";
    pub(in super::super) const CLOSED: &str = "CLOSED";
    pub(in super::super) const ABNORMAL: &str = "ABNORMAL";
}

pub(super) mod code {
    pub(in super::super) const NO_ORDER: [&str; 2] = ["ORDER_NOT_EXIST", "ORDERNOTEXIST"];
    pub(in super::super) const NO_REFUND: &str = "RESOURCE_NOT_EXISTS";
    pub(in super::super) const NOT_ENOUGH: &str = "NOT_ENOUGH";
}
