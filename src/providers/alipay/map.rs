//! Alipay's words into ours: the only file that knows both.
//!
//! | `trade_status` | beside it | news |
//! |---|---|---|
//! | `WAIT_BUYER_PAY` | | nothing |
//! | `TRADE_SUCCESS`, `TRADE_FINISHED` | | paid |
//! | | `refund_fee`, `out_biz_no` | paid, and that refund: its own amount is asked for, since `refund_fee` is all so far |
//! | | `refund_fee` alone | paid, and a person looks: which part of it is new nobody can say |
//! | `TRADE_CLOSED` | | nothing: it was not paid in time |
//! | | `refund_fee`, `out_biz_no` | that refund, as above |
//! | | `refund_fee` alone, or a time of payment | the order is asked about: all of it went back |

use aggregates::{Checkout, Currency, Money, OrderNumber, Payment};

use super::NAME;
use super::wire::{self, RefundFound, Trade, field};
use crate::dispatch::{PaymentNotice, RefundNotice};
use crate::providers::form::Form;
use crate::providers::{News, NoticeError, OrderName, OrderRef, PaidNews, ProviderError, RefundState, RefundedNews};

const CODE_BYTES_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 100;
/// Alipay takes twice as many.
const SUBJECT_CHARS_MAX: usize = 128;

/// One of their codes, and nothing that could be anything else.
pub(super) fn code(text: &str) -> String {
    let is_fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.chars().filter(is_fine).take(CODE_BYTES_MAX).collect()
}

/// What happened, in one word of theirs.
pub(super) fn word(text: &str) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(EVENT_BYTES_MAX).collect();
    if word.is_empty() { "message".to_owned() } else { word }
}

/// They take neither `/` nor `=` nor `&` in it.
pub(super) fn subject(text: &str) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '/' | '=' | '&') { ' ' } else { c };
    text.chars().map(plain).take(SUBJECT_CHARS_MAX).collect()
}

pub(super) fn amount(text: &str, currency: Currency) -> Option<Money> {
    Money::parse(text, currency).ok().filter(|money| !money.is_negative())
}

pub(super) fn checkout(page: String, qr_code: String) -> Checkout {
    Checkout { url: Some(page), qr: Some(qr_code), reference: None }
}

/// A plain no, with what can be done about it where that is known.
pub(super) fn refusal(code: &str) -> String {
    let why = match code {
        "ACQ.SELLER_BALANCE_NOT_ENOUGH" => "there is not enough money on the merchant's account",
        "ACQ.TRADE_HAS_FINISHED" => "it is too late: the trade can no longer be refunded",
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL" | "ACQ.REASON_TRADE_REFUND_FEE_ERR" => {
            "that is more than is left of the payment"
        }
        "ACQ.DISCORDANT_REPEAT_REQUEST" => "another amount was refunded under this number",
        "ACQ.TRADE_HAS_SUCCESS" => "the order is paid",
        "ACQ.TRADE_HAS_CLOSE" | "ACQ.TRADE_STATUS_ERROR" => "the trade is closed, or in no state for it",
        wire::TRADE_NOT_EXIST => "there is no such trade",
        _ => return format!("Alipay said {code}"),
    };
    format!("{why} ({code})")
}

/// What a trade says of money. One that is closed has none: it was never paid, or all of it went back.
pub(super) fn payments(
    order: &OrderRef,
    trade: &Trade,
    currency: Currency,
) -> Result<Vec<PaymentNotice>, ProviderError> {
    if !matches!(trade.trade_status.as_str(), wire::TRADE_SUCCESS | wire::TRADE_FINISHED) {
        return Ok(vec![]);
    }
    let payment = Payment {
        provider: NAME.to_owned(),
        payment_id: trade.trade_no.clone(),
        amount: total(trade, currency)?,
        method: None,
    };
    Ok(vec![PaymentNotice { order: order.number.clone(), payment }])
}

/// A closed trade that was paid went back whole. Nothing else can be said: parts are only told to who knows their numbers.
pub(super) fn refunds(
    order: &OrderRef,
    payment_id: &str,
    trade: &Trade,
    currency: Currency,
) -> Result<Vec<RefundNotice>, ProviderError> {
    let was_paid = trade.send_pay_date.as_deref().is_some_and(|date| !date.is_empty());
    if trade.trade_status != wire::TRADE_CLOSED || !was_paid || trade.trade_no != payment_id {
        return Ok(vec![]);
    }
    let whole = whole(&trade.trade_no);
    Ok(vec![RefundNotice {
        order: order.number.clone(),
        provider: NAME.to_owned(),
        payment_id: trade.trade_no.clone(),
        refund: whole.clone(),
        amount: total(trade, currency)?,
        provider_refund: Some(whole),
        reason: None,
    }])
}

fn total(trade: &Trade, currency: Currency) -> Result<Money, ProviderError> {
    let unclear = || ProviderError::Unreachable("its answer names no amount that can be understood".to_owned());
    amount(&trade.total_amount, currency).ok_or_else(unclear)
}

/// Of all of a trade at once, however that came about.
fn whole(trade_no: &str) -> String {
    format!("closed:{trade_no}")
}

/// Alipay has no names of its own for refunds: it goes by the merchant's numbers, and for all of it by the trade.
pub(super) fn their_name(refund: &str, trade_no: &str, amount: Money, total: Money) -> String {
    if amount == total { whole(trade_no) } else { refund.to_owned() }
}

/// What Alipay knows under a refund's number. It says yes to unknown numbers as well, and tells no amount then.
pub(super) fn found(found: &RefundFound, currency: Currency) -> Result<Option<Money>, ProviderError> {
    let plain = found.refund_status.as_deref().is_none_or(|status| status.is_empty() || status == wire::REFUND_SUCCESS);
    match found.refund_amount.as_deref().filter(|text| plain && !text.is_empty()) {
        None => Ok(None),
        Some(text) => amount(text, currency)
            .ok_or_else(|| ProviderError::Unreachable("its answer names no amount that can be understood".to_owned()))
            .map(|amount| Some(amount).filter(|amount| !amount.is_zero())),
    }
}

/// Money that went back under this number, as an answer to who asked for `asked`.
pub(super) fn refund_state(back: Option<Money>, asked: Money, name: String) -> Result<RefundState, ProviderError> {
    match back {
        None => Ok(RefundState::Unknown),
        Some(back) if back == asked => Ok(RefundState::Done { provider_refund: Some(name) }),
        Some(back) => Err(ProviderError::Unreachable(format!("{back} were refunded under this number"))),
    }
}

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    News(Vec<News>),
    /// Beside other news: a refund of which it does not tell how much it was.
    Refund(Vec<News>, OneRefund),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct OneRefund {
    pub(super) order: OrderNumber,
    pub(super) trade_no: String,
    pub(super) refund: String,
    pub(super) total: Money,
    /// All that went back so far.
    sum: Money,
}

pub(super) fn told(form: &Form, currency: Currency) -> Result<Told, NoticeError> {
    let Some(status) = field(form, "trade_status") else {
        let kind = field(form, wire::METHOD).or_else(|| field(form, "notify_type")).unwrap_or("no kind");
        return Ok(review(format!("Alipay sent a message that is not about a trade: {}", word(kind))));
    };
    let paid = matches!(status, wire::TRADE_SUCCESS | wire::TRADE_FINISHED);
    match status {
        wire::TRADE_SUCCESS | wire::TRADE_FINISHED | wire::TRADE_CLOSED => {}
        wire::WAIT_BUYER_PAY => return Ok(Told::News(vec![News::Nothing("the customer has yet to pay")])),
        other => return Ok(review(format!("Alipay speaks of a trade that is {}", word(other)))),
    }
    let sum = money(form, "refund_fee", currency)?.filter(|sum| !sum.is_zero());
    if !paid && sum.is_none() && field(form, "gmt_payment").is_none() {
        return Ok(Told::News(vec![News::Nothing("it was not paid in time")]));
    }
    let trade_no = field(form, "trade_no").ok_or_else(|| NoticeError::malformed("it names no trade"))?.to_owned();
    let Some(order) = field(form, "out_trade_no").and_then(|number| number.parse::<OrderNumber>().ok()) else {
        return Ok(review(format!("trade {} is of no order of this ledger", word(&trade_no))));
    };
    let total = money(form, "total_amount", currency)?;
    let total = total.ok_or_else(|| NoticeError::malformed("it names no amount"))?;
    let name = OrderName::Number(order.clone());
    let mut news = Vec::new();
    if paid {
        let paid = PaidNews { order: name.clone(), payment_id: trade_no.clone(), amount: total, method: None };
        news.push(News::Paid(paid));
    }
    Ok(match (sum, field(form, "out_biz_no")) {
        (Some(sum), Some(refund)) => {
            Told::Refund(news, OneRefund { order, trade_no, refund: refund.to_owned(), total, sum })
        }
        _ if !paid => Told::News(vec![News::Ask(name)]),
        (Some(sum), None) => {
            let why = format!("{sum} in all went back of trade {}: under which numbers is not told", word(&trade_no));
            news.push(News::ForReview(why));
            Told::News(news)
        }
        (None, _) => Told::News(news),
    })
}

fn review(why: String) -> Told {
    Told::News(vec![News::ForReview(why)])
}

fn money(form: &Form, name: &str, currency: Currency) -> Result<Option<Money>, NoticeError> {
    let parse = |text| amount(text, currency).ok_or_else(|| NoticeError::malformed(format!("{name} is no amount")));
    field(form, name).map(parse).transpose()
}

/// A refund of a notification, once it is known how much it was.
pub(super) fn refunded(one: OneRefund, amount: Money) -> News {
    let OneRefund { order, trade_no, refund, total, sum } = one;
    if amount.minor() > sum.minor() || sum.minor() > total.minor() {
        let why = "is more than went back in all, or that more than was paid";
        return News::ForReview(format!("a refund of trade {} {why}", word(&trade_no)));
    }
    News::Refunded(RefundedNews {
        order: OrderName::Number(order),
        payment_id: Some(trade_no.clone()),
        provider_refund: Some(their_name(&refund, &trade_no, amount, total)),
        refund,
        amount,
        reason: None,
    })
}
