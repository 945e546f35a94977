//! Their words into ours, and ours into theirs.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{Currency, Money};
use chrono::{DateTime, Utc};

use super::webhook::shown;
use super::wire::{self, CARDS, Inquiry, Notification, code, kind, outcome, status, transaction};
use super::{Antom, NAME, signature};
use crate::dispatch::{PaymentNotice, RefundNotice};
use crate::providers::{
    News, NoticeError, OrderName, OrderRef, PaidNews, PaymentRequest, ProviderError, RefundRequest, RefundState,
    RefundedNews,
};

const DESCRIPTION_CHARS_MAX: usize = 256;
const REASON_CHARS_MAX: usize = 256;

pub(super) fn pay<'a>(us: &'a Antom, request: &'a PaymentRequest) -> Result<wire::Pay<'a>, ProviderError> {
    if request.amount.currency() != us.currency {
        return Err(ProviderError::Refused(format!("it collects nothing but {}", us.currency.code())));
    }
    Ok(wire::Pay {
        product_code: "CASHIER_PAYMENT",
        payment_request_id: request.order.as_str(),
        order: wire::Order {
            reference_order_id: request.order.as_str(),
            order_description: cut(&request.subject, DESCRIPTION_CHARS_MAX),
            order_amount: amount(request.amount),
        },
        payment_amount: amount(request.amount),
        payment_method: wire::PaymentMethod { payment_method_type: &us.payment_method },
        payment_redirect_url: &us.return_url,
        payment_notify_url: &us.notify_url,
        env: wire::Env { terminal_type: "WEB" },
        settlement_strategy: wire::SettlementStrategy { settlement_currency: &us.settlement_currency },
    })
}

pub(super) fn refund<'a>(us: &'a Antom, request: &'a RefundRequest) -> wire::NewRefund<'a> {
    wire::NewRefund {
        payment_id: &request.payment_id,
        refund_request_id: &request.refund,
        refund_amount: amount(request.amount),
        refund_reason: cut(&request.reason, REASON_CHARS_MAX),
        refund_notify_url: &us.notify_url,
    }
}

fn amount(money: Money) -> wire::Amount {
    wire::Amount { currency: money.currency().code().to_owned(), value: money.minor().to_string() }
}

fn cut(text: &str, chars_max: usize) -> &str {
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

/// Of which payment the notification names a capture that worked.
pub(super) fn names_capture(it: &Notification) -> Result<Option<String>, NoticeError> {
    let is_done = |result: &wire::Outcome| result.result_status == outcome::SUCCESS;
    if it.notify_type.as_deref() != Some(kind::CAPTURE) || !it.result.as_ref().is_some_and(is_done) {
        return Ok(None);
    }
    name("/paymentId", it.payment_id.clone()).map(Some)
}

/// All but captures that worked.
pub(super) fn read(us: &Antom, it: Notification) -> Result<News, NoticeError> {
    if let Some(word) = &it.dispute_notification_type {
        let payment = it.payment_id.as_deref().or(it.payment_request_id.as_deref()).unwrap_or("that it does not name");
        let dispute = it.dispute_id.as_deref().unwrap_or_default();
        return Ok(News::ForReview(shown(&format!("{word} {dispute}, about payment {payment}"))));
    }
    match it.notify_type.as_deref() {
        Some(kind::PAYMENT) => paid(us, it),
        Some(kind::PENDING) => Ok(News::Nothing("the payment is under way")),
        Some(kind::CAPTURE) => Ok(News::Nothing("a capture that did not work, so nothing was paid with it")),
        Some(kind::REFUND) => refunded(it),
        Some(word) if kind::IGNORED.contains(&word) => Ok(News::Nothing("about nothing that this ledger asks for")),
        None if it.subscription_notification_type.is_some() || it.authorization_notify_type.is_some() => {
            Ok(News::Nothing("about subscriptions of theirs, which this ledger has none of"))
        }
        _ => Ok(News::ForReview(format!("a notification that is not known here: {}", shown(it.word())))),
    }
}

fn paid(us: &Antom, it: Notification) -> Result<News, NoticeError> {
    let result = it.result.as_ref().ok_or_else(|| malformed("/result", "is missing"))?;
    match result.result_status.as_str() {
        outcome::SUCCESS => {}
        outcome::FAILURE => return Ok(News::Nothing("the payment failed; the order can be paid again")),
        outcome::UNKNOWN => return Ok(News::Nothing("the payment is under way")),
        _ => return Ok(News::ForReview("a payment with a result that is not known here".to_owned())),
    }
    let payment_id = name("/paymentId", it.payment_id)?;
    let request = name("/paymentRequestId", it.payment_request_id)?;
    let Ok(order) = request.parse().map(OrderName::Number) else { return Ok(not_ours(&payment_id)) };
    let method = it.payment_method_type.filter(|method| is_name(method));
    // What a card authorised is not paid until it is captured. Anything short of plain success is asked about too.
    if is_card(us, method.as_deref()) || result.result_code != code::SUCCESS {
        return Ok(News::Ask(order));
    }
    let amount = money(it.payment_amount.as_ref()).map_err(|detail| malformed("/paymentAmount", detail))?;
    Ok(News::Paid(PaidNews { order, payment_id, amount, method: Some(method_or_ours(us, method)) }))
}

/// What is said of a payment that a capture named. Where the answer lists no captures, this one is what there is.
pub(super) fn captured(
    us: &Antom,
    payment_id: &str,
    capture: Option<&wire::Amount>,
    found: Option<Inquiry>,
) -> Result<News, NoticeError> {
    let unavailable = |what: &str| NoticeError::Unavailable(what.to_owned());
    let found = found.ok_or_else(|| unavailable("it does not know of the payment yet"))?;
    if found.payment_id.as_deref() != Some(payment_id) {
        return Err(unavailable("its answer is about another payment"));
    }
    let request = found.payment_request_id.as_deref().unwrap_or_default();
    let Ok(order) = request.parse().map(OrderName::Number) else { return Ok(not_ours(payment_id)) };
    match found.payment_status.as_deref() {
        Some(status::SUCCESS) => {}
        Some(word @ (status::FAIL | status::CANCELLED)) => {
            return Ok(News::ForReview(format!("payment {payment_id} was captured, and yet the payment is {word}")));
        }
        _ => return Err(unavailable("it does not say yet that the payment is done")),
    }
    let amount = match collected(us, &found).map_err(|error| NoticeError::Unavailable(error.to_string()))? {
        Some(amount) => amount,
        None => money(capture).map_err(|detail| malformed("/captureAmount", detail))?,
    };
    let method = found.payment_method_type.filter(|method| is_name(method));
    let (payment_id, method) = (payment_id.to_owned(), Some(method_or_ours(us, method)));
    Ok(News::Paid(PaidNews { order, payment_id, amount, method }))
}

fn not_ours(payment_id: &str) -> News {
    News::ForReview(format!("payment {payment_id} is for an order that is none of this ledger's"))
}

fn refunded(it: Notification) -> Result<News, NoticeError> {
    let refund = name("/refundRequestId", it.refund_request_id.or_else(|| it.refund_id.clone()))?;
    let payment_id = it.payment_id.filter(|id| is_name(id));
    // By the payment one is found that nobody asked for here, too.
    let order = payment_id.clone().map_or_else(|| OrderName::Refund(refund.clone()), OrderName::Payment);
    match it.refund_status.as_deref() {
        Some(status::SUCCESS) => {}
        Some(status::FAIL) => {
            let reason =
                it.result.as_ref().map(wire::Outcome::code).filter(|code| !code.is_empty() && code != code::SUCCESS);
            let reason =
                reason.map_or_else(|| "it failed there".to_owned(), |code| format!("it failed there ({code})"));
            return Ok(News::RefundFailed { order, refund, reason });
        }
        Some(status::PROCESSING) => return Ok(News::Nothing("the refund is under way")),
        _ => return Ok(News::ForReview(format!("refund {refund} is in a state that is not known here"))),
    }
    let amount = money(it.refund_amount.as_ref()).map_err(|detail| malformed("/refundAmount", detail))?;
    let provider_refund = it.refund_id.filter(|id| is_name(id));
    Ok(News::Refunded(RefundedNews { order, payment_id, refund, amount, provider_refund, reason: None }))
}

pub(super) fn payments(us: &Antom, order: &OrderRef, found: &Inquiry) -> Result<Vec<PaymentNotice>, ProviderError> {
    if found.payment_request_id.as_deref().is_some_and(|request| request != order.number.as_str()) {
        return Err(other("order"));
    }
    let Some(amount) = collected(us, found)? else { return Ok(Vec::new()) };
    let payment_id = found.payment_id.clone().filter(|id| is_name(id));
    let payment_id = payment_id.ok_or_else(|| unclear("what paid for the order"))?;
    let method = Some(method_or_ours(us, found.payment_method_type.clone().filter(|method| is_name(method))));
    let payment = aggregates::Payment { provider: NAME.to_owned(), payment_id, amount, method };
    Ok(vec![PaymentNotice { order: order.number.clone(), payment }])
}

/// How much of it is ours. `None`: it is not paid.
fn collected(us: &Antom, found: &Inquiry) -> Result<Option<Money>, ProviderError> {
    if found.payment_status.as_deref() != Some(status::SUCCESS) {
        return Ok(None);
    }
    if !is_card(us, found.payment_method_type.as_deref()) {
        return money(found.payment_amount.as_ref()).map(Some).map_err(|_| unclear("how much was paid"));
    }
    let mut sum: Option<Money> = None;
    for capture in done(found, transaction::CAPTURE) {
        let amount = money(capture.transaction_amount.as_ref()).map_err(|_| unclear("how much was captured"))?;
        let added = sum.map_or(Ok(amount), |sum| sum.checked_add(amount));
        sum = Some(added.map_err(|_| unclear("how much was captured"))?);
    }
    Ok(sum)
}

fn done<'a>(found: &'a Inquiry, kind: &str) -> impl Iterator<Item = &'a wire::Transaction> {
    let all = found.transactions.iter().flatten();
    all.filter(move |it| it.transaction_type == kind && it.transaction_status == status::SUCCESS)
}

pub(super) fn refunds(order: &OrderRef, payment_id: &str, found: &Inquiry) -> Result<Vec<RefundNotice>, ProviderError> {
    if found.payment_id.as_deref().is_some_and(|it| it != payment_id) {
        return Err(other("payment"));
    }
    let mut back: Vec<&wire::Transaction> = done(found, transaction::REFUND).collect();
    let at =
        |it: &&wire::Transaction| -> Option<DateTime<Utc>> { it.transaction_time.as_deref().and_then(signature::time) };
    back.sort_by_key(at);
    let notice = |it: &wire::Transaction| {
        let provider_refund = it.transaction_id.clone().filter(|id| is_name(id));
        let refund = it.transaction_request_id.clone().filter(|id| is_name(id)).or_else(|| provider_refund.clone());
        Ok(RefundNotice {
            order: order.number.clone(),
            provider: NAME.to_owned(),
            payment_id: payment_id.to_owned(),
            refund: refund.ok_or_else(|| unclear("which refund it is"))?,
            amount: money(it.transaction_amount.as_ref()).map_err(|_| unclear("how much went back"))?,
            provider_refund,
            reason: None,
        })
    };
    back.into_iter().map(notice).collect()
}

pub(super) fn refund_done(request: &RefundRequest, it: wire::Refunding) -> Result<RefundState, ProviderError> {
    is_about(request, it.refund_request_id.as_deref(), it.refund_amount.as_ref())?;
    Ok(RefundState::Done { provider_refund: it.refund_id.filter(|id| is_name(id)) })
}

pub(super) fn refund_state(request: &RefundRequest, it: wire::RefundInquiry) -> Result<RefundState, ProviderError> {
    is_about(request, it.refund_request_id.as_deref(), it.refund_amount.as_ref())?;
    Ok(match it.refund_status.as_deref() {
        Some(status::SUCCESS) => RefundState::Done { provider_refund: it.refund_id.filter(|id| is_name(id)) },
        Some(status::FAIL) => RefundState::Refused("it failed there, and nothing went back".to_owned()),
        _ => RefundState::Pending,
    })
}

fn is_about(request: &RefundRequest, number: Option<&str>, amount: Option<&wire::Amount>) -> Result<(), ProviderError> {
    let is_it = number.is_none_or(|number| number == request.refund);
    let is_so_much = amount.is_none_or(|amount| money(Some(amount)) == Ok(request.amount));
    if is_it && is_so_much { Ok(()) } else { Err(other("refund")) }
}

/// For an admin.
pub(super) fn refund_refused(result: &wire::Outcome) -> String {
    let code = result.code();
    if code == code::NOT_ENOUGH { format!("there is not enough money in the merchant account ({code})") } else { code }
}

/// Where they do not say what was paid with, it is what they were asked to offer.
fn is_card(us: &Antom, method: Option<&str>) -> bool {
    CARDS.contains(&method.unwrap_or(&us.payment_method))
}

fn method_or_ours(us: &Antom, method: Option<String>) -> String {
    method.unwrap_or_else(|| us.payment_method.clone())
}

fn money(amount: Option<&wire::Amount>) -> Result<Money, &'static str> {
    let wire::Amount { currency, value } = amount.ok_or("is missing")?;
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is no whole number");
    }
    let minor = value.parse().map_err(|_| "is too large")?;
    Ok(Money::from_minor(minor, Currency::iso(currency).map_err(|_| "is in no currency that is known")?))
}

fn is_name(text: &str) -> bool {
    (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn name(pointer: &str, text: Option<String>) -> Result<String, NoticeError> {
    text.filter(|text| is_name(text)).ok_or_else(|| malformed(pointer, "is missing, or is no name"))
}

fn malformed(pointer: &str, detail: &str) -> NoticeError {
    NoticeError::Malformed { pointer: Some(pointer.to_owned()), detail: detail.to_owned() }
}

fn other(what: &str) -> ProviderError {
    ProviderError::Unreachable(format!("its answer is about another {what}"))
}

fn unclear(what: &str) -> ProviderError {
    ProviderError::Unreachable(format!("its answer does not say {what}"))
}
