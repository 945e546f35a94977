//! Their words into ours, and ours into theirs.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{Currency, Money, OrderNumber, Payment};
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::de::DeserializeOwned;

use super::webhook::{envelope, shown};
use super::wire::{self, code, event, state};
use super::{NAME, WeChat};
use crate::dispatch::PaymentNotice;
use crate::providers::{
    News, NoticeError, OrderName, OrderRef, PaidNews, PaymentRequest, ProviderError, RefundRequest, RefundState,
    RefundedNews,
};

const CNY: &str = "CNY";
/// Whether theirs are bytes or characters is not said, so these are bytes.
const DESCRIPTION_BYTES_MAX: usize = 127;
const REASON_BYTES_MAX: usize = 80;
const BEIJING_SECONDS: i32 = 8 * 3_600;

pub(super) fn native_order<'a>(
    us: &'a WeChat,
    request: &'a PaymentRequest,
) -> Result<wire::NativeOrder<'a>, ProviderError> {
    if request.amount.currency() != us.currency {
        return Err(ProviderError::Refused("it collects nothing but CNY".to_owned()));
    }
    Ok(wire::NativeOrder {
        appid: &us.app_id,
        mchid: &us.mch_id,
        description: cut(&request.subject, DESCRIPTION_BYTES_MAX),
        out_trade_no: request.order.as_str(),
        time_expire: in_beijing(request.expires_at),
        notify_url: &us.notify_url,
        amount: wire::Total { total: request.amount.minor(), currency: CNY },
    })
}

pub(super) fn refund<'a>(us: &'a WeChat, request: &'a RefundRequest) -> wire::NewRefund<'a> {
    wire::NewRefund {
        transaction_id: &request.payment_id,
        out_refund_no: &request.refund,
        reason: cut(&request.reason, REASON_BYTES_MAX),
        notify_url: &us.notify_url,
        amount: wire::RefundTotal { refund: request.amount.minor(), total: request.paid.minor(), currency: CNY },
    }
}

/// Their time zone is the one that their samples are written in.
fn in_beijing(at: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(BEIJING_SECONDS) {
        Some(beijing) => at.with_timezone(&beijing).to_rfc3339_opts(SecondsFormat::Secs, false),
        None => at.to_rfc3339_opts(SecondsFormat::Secs, false),
    }
}

/// No longer than that, and no character in two.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

pub(super) fn read(us: &WeChat, body: &[u8]) -> Result<News, NoticeError> {
    let envelope = envelope(body)?;
    match envelope.event_type.as_str() {
        event::PAID => paid(us, open(us, &envelope.resource)?),
        event::REFUNDED | event::REFUND_STUCK | event::REFUND_CLOSED => {
            refunded(us, &envelope.event_type, open(us, &envelope.resource)?)
        }
        other => Ok(News::ForReview(format!("a notification that is not known here: {}", shown(other)))),
    }
}

fn open<T: DeserializeOwned>(us: &WeChat, resource: &wire::Resource) -> Result<T, NoticeError> {
    if resource.algorithm != wire::ALGORITHM {
        return Err(malformed("/resource/algorithm", "is not known here"));
    }
    let plain = us.ciphers.iter().find_map(|cipher| cipher.open(resource));
    let plain =
        plain.ok_or_else(|| NoticeError::Unavailable("it is encrypted with a key that is not set".to_owned()))?;
    // The text of the error would repeat what was encrypted.
    serde_json::from_slice(&plain).map_err(|_| malformed("/resource/ciphertext", "does not hold what it should"))
}

fn paid(us: &WeChat, it: wire::Transaction) -> Result<News, NoticeError> {
    if it.mchid != us.mch_id || it.appid != us.app_id {
        return Ok(News::ForReview("a payment of another merchant or app".to_owned()));
    }
    let payment_id = name("/transaction_id", it.transaction_id.unwrap_or_default())?;
    let Ok(order) = it.out_trade_no.parse::<OrderNumber>() else {
        return Ok(News::ForReview(format!("payment {payment_id} is for an order that is none of this ledger's")));
    };
    if it.trade_state != state::SUCCESS {
        return Ok(News::Ask(OrderName::Number(order)));
    }
    let amount = it.amount.ok_or_else(|| malformed("/amount", "is missing"))?;
    let amount = money(us, amount.total, amount.currency.as_deref()).map_err(|detail| malformed("/amount", detail))?;
    let method = it.trade_type.filter(|method| is_name(method));
    Ok(News::Paid(PaidNews { order: OrderName::Number(order), payment_id, amount, method }))
}

fn refunded(us: &WeChat, event: &str, it: wire::RefundNotice) -> Result<News, NoticeError> {
    if it.mchid != us.mch_id {
        return Ok(News::ForReview("a refund of another merchant".to_owned()));
    }
    let (refund, payment_id) = (name("/out_refund_no", it.out_refund_no)?, name("/transaction_id", it.transaction_id)?);
    let Ok(order) = it.out_trade_no.parse().map(OrderName::Number) else {
        return Ok(News::ForReview(format!("refund {refund} is of an order that is none of this ledger's")));
    };
    // The event and the state say the same, or nobody knows what happened.
    match (event, it.refund_status.as_str()) {
        (event::REFUNDED, state::SUCCESS) => {}
        // It may yet go back: whoever asked for it goes on asking what became of it.
        (event::REFUND_STUCK, state::ABNORMAL) => {
            let what = format!("refund {refund} is stuck: finish it in WeChat Pay's merchant console");
            return Ok(News::ForReview(what));
        }
        (event::REFUND_CLOSED, state::CLOSED) => {
            let reason = "it was closed there, and nothing went back".to_owned();
            return Ok(News::RefundFailed { order, refund, reason });
        }
        _ => return Ok(News::ForReview(format!("refund {refund} is in a state that is not known here"))),
    }
    let amount = money(us, it.amount.refund, it.amount.currency.as_deref());
    let amount = amount.map_err(|detail| malformed("/amount", detail))?;
    let provider_refund = Some(name("/refund_id", it.refund_id)?);
    Ok(News::Refunded(RefundedNews {
        order,
        payment_id: Some(payment_id),
        refund,
        amount,
        provider_refund,
        reason: None,
    }))
}

pub(super) fn payments(
    us: &WeChat,
    order: &OrderRef,
    it: wire::Transaction,
) -> Result<Vec<PaymentNotice>, ProviderError> {
    let other = |what: &str| ProviderError::Unreachable(format!("its answer is about another {what}"));
    if it.mchid != us.mch_id || it.appid != us.app_id {
        return Err(other("merchant or app"));
    }
    if it.out_trade_no != order.number.as_str() {
        return Err(other("order"));
    }
    // What went back was paid before.
    if !matches!(it.trade_state.as_str(), state::SUCCESS | state::REFUND) {
        return Ok(Vec::new());
    }
    let unclear = |what: &str| ProviderError::Unreachable(format!("its answer does not say {what}"));
    let payment_id = it.transaction_id.filter(|id| is_name(id)).ok_or_else(|| unclear("what paid for the order"))?;
    let amount = it.amount.ok_or_else(|| unclear("how much was paid"))?;
    let amount = money(us, amount.total, amount.currency.as_deref()).map_err(|_| unclear("how much was paid"))?;
    let method = it.trade_type.filter(|method| is_name(method));
    let payment = Payment { provider: NAME.to_owned(), payment_id, amount, method };
    Ok(vec![PaymentNotice { order: order.number.clone(), payment }])
}

pub(super) fn refund_state(request: &RefundRequest, it: &wire::Refund) -> Result<RefundState, ProviderError> {
    let is_it = it.out_refund_no == request.refund && it.transaction_id == request.payment_id;
    if !is_it || it.amount.refund != request.amount.minor() {
        return Err(ProviderError::Unreachable("its answer is about another refund".to_owned()));
    }
    Ok(match it.status.as_str() {
        state::SUCCESS => RefundState::Done { provider_refund: Some(it.refund_id.clone()).filter(|id| is_name(id)) },
        state::CLOSED => RefundState::Refused("it was closed there, and nothing went back".to_owned()),
        // ABNORMAL too is no plain no: somebody may yet send the money elsewhere in their console.
        _ => RefundState::Pending,
    })
}

/// For an admin.
pub(super) fn refund_refused(code: &str) -> String {
    match code {
        code::NOT_ENOUGH => format!("there is not enough money in the merchant account ({code})"),
        _ => code.to_owned(),
    }
}

fn money(us: &WeChat, minor: i64, currency: Option<&str>) -> Result<Money, &'static str> {
    if minor < 0 {
        return Err("is negative");
    }
    let currency = currency.map_or(Ok(us.currency), Currency::iso).map_err(|_| "is in no currency that is known")?;
    Ok(Money::from_minor(minor, currency))
}

fn is_name(text: &str) -> bool {
    (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn name(pointer: &str, text: String) -> Result<String, NoticeError> {
    if is_name(&text) { Ok(text) } else { Err(malformed(pointer, "is missing, or is no name")) }
}

fn malformed(pointer: &str, detail: &str) -> NoticeError {
    NoticeError::Malformed { pointer: Some(pointer.to_owned()), detail: detail.to_owned() }
}
