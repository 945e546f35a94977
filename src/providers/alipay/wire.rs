//! Alipay's forms and JSON, and nothing else. Amounts are decimals in text, in yuan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::providers::form::{self, Form};

pub(super) const SUCCESS: &str = "success";
pub(super) const FAIL: &str = "fail";
pub(super) const SIGN: &str = "sign";
pub(super) const SIGN_TYPE: &str = "sign_type";
pub(super) const RSA2: &str = "RSA2";
/// Of messages that are not about trades.
pub(super) const METHOD: &str = "method";
pub(super) const TIME: &str = "%Y-%m-%d %H:%M:%S";

pub(super) const PRECREATE: &str = "alipay.trade.precreate";
pub(super) const PAGE_PAY: &str = "alipay.trade.page.pay";
pub(super) const QUERY: &str = "alipay.trade.query";
pub(super) const REFUND: &str = "alipay.trade.refund";
pub(super) const REFUND_QUERY: &str = "alipay.trade.fastpay.refund.query";

pub(super) const OK: &str = "10000";
pub(super) const BUSINESS_FAILED: &str = "40004";
pub(super) const TRADE_NOT_EXIST: &str = "ACQ.TRADE_NOT_EXIST";

pub(super) const WAIT_BUYER_PAY: &str = "WAIT_BUYER_PAY";
pub(super) const TRADE_SUCCESS: &str = "TRADE_SUCCESS";
pub(super) const TRADE_FINISHED: &str = "TRADE_FINISHED";
pub(super) const TRADE_CLOSED: &str = "TRADE_CLOSED";

/// What is read of a notification.
pub(super) const READ: &[&str] = &[
    "app_id",
    "gmt_payment",
    METHOD,
    "notify_id",
    "notify_type",
    "out_biz_no",
    "out_trade_no",
    "refund_fee",
    "seller_id",
    SIGN,
    SIGN_TYPE,
    "total_amount",
    "trade_no",
    "trade_status",
];

/// A notification's text as it is signed; messages that are not about trades may have `sign_type` in it.
pub(super) fn notified(form: &Form, with_sign_type: bool) -> String {
    form::joined(form::pairs(form).filter(|(name, _)| *name != SIGN && (with_sign_type || *name != SIGN_TYPE)))
}

/// A call's text as it is signed.
pub(super) fn asked(form: &Form) -> String {
    form::joined(form::pairs(form).filter(|(name, value)| *name != SIGN && !value.is_empty()))
}

/// A field that is there and not empty.
pub(super) fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// What `biz_content` holds, whatever the call.
#[derive(Debug, Default, Serialize)]
pub(super) struct Content<'a> {
    pub(super) out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trade_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) product_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_expire: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) out_request_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_reason: Option<&'a str>,
}

/// An answer before anybody has looked into it: values are kept as they came, since those bytes are signed.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Envelope<'a>(#[serde(borrow)] BTreeMap<&'a str, &'a RawValue>);

impl<'a> Envelope<'a> {
    /// What was answered to `method`, and its signature. `None`: there are not both.
    pub(super) fn signed(&self, method: &str) -> Option<(&'a str, String)> {
        let name = format!("{}_response", method.replace('.', "_"));
        let content = self.0.get(name.as_str()).or_else(|| self.0.get("error_response"))?;
        let sign = serde_json::from_str(self.0.get(SIGN)?.get()).ok()?;
        Some((content.get(), sign))
    }
}

/// Whether it is a yes.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) code: String,
    #[serde(default)]
    pub(super) sub_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Precreated {
    pub(super) out_trade_no: String,
    pub(super) qr_code: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Trade {
    pub(super) trade_no: String,
    pub(super) out_trade_no: String,
    pub(super) trade_status: String,
    pub(super) total_amount: String,
    /// When it was paid; not there before.
    #[serde(default)]
    pub(super) send_pay_date: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refunded {
    pub(super) trade_no: String,
    pub(super) out_trade_no: String,
    /// `Y`: with this very call.
    #[serde(default)]
    pub(super) fund_change: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundFound {
    #[serde(default)]
    pub(super) trade_no: Option<String>,
    #[serde(default)]
    pub(super) out_trade_no: Option<String>,
    #[serde(default)]
    pub(super) out_request_no: Option<String>,
    /// Of this refund alone; there once it was done.
    #[serde(default)]
    pub(super) refund_amount: Option<String>,
    #[serde(default)]
    pub(super) refund_status: Option<String>,
}

pub(super) const REFUND_SUCCESS: &str = "REFUND_SUCCESS";
