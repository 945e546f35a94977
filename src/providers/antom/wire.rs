//! What they write and read. Fields that nobody here needs are left out, and those of a buyer on purpose.

use serde::{Deserialize, Serialize};

/// `value` is a whole number of the smallest unit, as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) currency: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pay<'a> {
    pub(super) product_code: &'static str,
    pub(super) payment_request_id: &'a str,
    pub(super) order: Order<'a>,
    pub(super) payment_amount: Amount,
    pub(super) payment_method: PaymentMethod<'a>,
    pub(super) payment_redirect_url: &'a str,
    pub(super) payment_notify_url: &'a str,
    pub(super) env: Env,
    pub(super) settlement_strategy: SettlementStrategy<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order<'a> {
    pub(super) reference_order_id: &'a str,
    pub(super) order_description: &'a str,
    pub(super) order_amount: Amount,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentMethod<'a> {
    pub(super) payment_method_type: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) terminal_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettlementStrategy<'a> {
    pub(super) settlement_currency: &'a str,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) result_status: String,
    #[serde(default)]
    pub(super) result_code: String,
}

const CODE_CHARS_MAX: usize = 64;

impl Outcome {
    /// As it may be shown and kept.
    pub(super) fn code(&self) -> String {
        let is_of_a_code = |it: &char| it.is_ascii_alphanumeric() || *it == '_';
        self.result_code.chars().filter(is_of_a_code).take(CODE_CHARS_MAX).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paying {
    pub(super) result: Outcome,
    pub(super) payment_request_id: Option<String>,
    pub(super) normal_url: Option<String>,
}

/// By one name or the other.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<&'a str>,
}

impl<'a> Payment<'a> {
    pub(super) fn by_request(id: &'a str) -> Self {
        Self { payment_request_id: Some(id), payment_id: None }
    }

    pub(super) fn by_id(id: &'a str) -> Self {
        Self { payment_request_id: None, payment_id: Some(id) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inquiry {
    /// Of the question, not of the payment.
    pub(super) result: Outcome,
    pub(super) payment_status: Option<String>,
    pub(super) payment_request_id: Option<String>,
    pub(super) payment_id: Option<String>,
    pub(super) payment_amount: Option<Amount>,
    pub(super) payment_method_type: Option<String>,
    #[serde(default)]
    pub(super) transactions: Option<Vec<Transaction>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    pub(super) transaction_type: String,
    pub(super) transaction_status: String,
    pub(super) transaction_id: Option<String>,
    pub(super) transaction_request_id: Option<String>,
    pub(super) transaction_amount: Option<Amount>,
    pub(super) transaction_time: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewRefund<'a> {
    pub(super) payment_id: &'a str,
    pub(super) refund_request_id: &'a str,
    pub(super) refund_amount: Amount,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) refund_reason: &'a str,
    pub(super) refund_notify_url: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refunding {
    pub(super) result: Outcome,
    pub(super) refund_request_id: Option<String>,
    pub(super) refund_id: Option<String>,
    pub(super) refund_amount: Option<Amount>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundName<'a> {
    pub(super) refund_request_id: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundInquiry {
    pub(super) result: Outcome,
    pub(super) refund_status: Option<String>,
    pub(super) refund_request_id: Option<String>,
    pub(super) refund_id: Option<String>,
    pub(super) refund_amount: Option<Amount>,
}

/// Of all kinds; which fields there are depends on the kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    /// Disputes and subscriptions have one of their own instead.
    pub(super) notify_type: Option<String>,
    pub(super) result: Option<Outcome>,
    pub(super) payment_request_id: Option<String>,
    pub(super) payment_id: Option<String>,
    pub(super) payment_amount: Option<Amount>,
    pub(super) payment_method_type: Option<String>,
    pub(super) capture_id: Option<String>,
    pub(super) capture_amount: Option<Amount>,
    pub(super) refund_status: Option<String>,
    pub(super) refund_request_id: Option<String>,
    pub(super) refund_id: Option<String>,
    pub(super) refund_amount: Option<Amount>,
    pub(super) dispute_id: Option<String>,
    pub(super) dispute_notification_type: Option<String>,
    pub(super) subscription_notification_type: Option<String>,
    pub(super) authorization_notify_type: Option<String>,
}

pub(super) mod kind {
    pub(in super::super) const PAYMENT: &str = "PAYMENT_RESULT";
    pub(in super::super) const PENDING: &str = "PAYMENT_PENDING";
    pub(in super::super) const CAPTURE: &str = "CAPTURE_RESULT";
    pub(in super::super) const REFUND: &str = "REFUND_RESULT";
    pub(in super::super) const IGNORED: [&str; 2] = ["UPDATE_AMOUNT_RESULT", "OFFLINE_PAYMENT_CODE"];
}

/// Of a call, of a payment, of a capture.
pub(super) mod outcome {
    pub(in super::super) const SUCCESS: &str = "S";
    pub(in super::super) const FAILURE: &str = "F";
    pub(in super::super) const UNKNOWN: &str = "U";
}

/// Of a payment that was asked about, of a refund, of a transaction.
pub(super) mod status {
    pub(in super::super) const SUCCESS: &str = "SUCCESS";
    pub(in super::super) const FAIL: &str = "FAIL";
    pub(in super::super) const CANCELLED: &str = "CANCELLED";
    pub(in super::super) const PROCESSING: &str = "PROCESSING";
}

pub(super) mod transaction {
    pub(in super::super) const CAPTURE: &str = "CAPTURE";
    pub(in super::super) const REFUND: &str = "REFUND";
}

pub(super) mod code {
    pub(in super::super) const SUCCESS: &str = "SUCCESS";
    pub(in super::super) const NO_ORDER: &str = "ORDER_NOT_EXIST";
    pub(in super::super) const NO_REFUND: [&str; 2] = ["REFUND_NOT_EXIST", "ORDER_NOT_EXIST"];
    pub(in super::super) const NOT_ENOUGH: &str = "MERCHANT_BALANCE_NOT_ENOUGH";
}

/// Paid with these, a payment is an authorisation until it is captured.
pub(super) const CARDS: [&str; 3] = ["CARD", "APPLEPAY", "GOOGLEPAY"];
