//! Their words into ours: the only file that knows both.
//!
//! | an order's `status` | its `endtime` | |
//! |---|---|---|
//! | 1 | | paid |
//! | 0 | never | not paid |
//! | 0 | a time | was paid, and is refunded or disputed: which of them nobody can ask |
//!
//! So what went back is known of only where it was asked for here, and answered.

use aggregates::{Currency, Money, OrderNumber, Payment};

use super::NAME;
use super::wire::{self, Order, field};
use crate::dispatch::PaymentNotice;
use crate::providers::form::Form;
use crate::providers::{News, NoticeError, OrderName, OrderRef, PaidNews, ProviderError};

const WORD_BYTES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;

/// One word of theirs, and nothing that could be anything else.
pub(super) fn word(text: &str) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(WORD_BYTES_MAX).collect();
    if word.is_empty() { "nothing".to_owned() } else { word }
}

/// What the customer reads. What would end a field in the text that is signed is left out.
pub(super) fn name(subject: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '&' { ' ' } else { c };
    subject.chars().map(plain).take(NAME_CHARS_MAX).collect()
}

pub(super) fn amount(text: &str, currency: Currency) -> Option<Money> {
    Money::parse(text, currency).ok().filter(|money| !money.is_negative())
}

/// What becomes of an order's money.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Paid,
    NotPaid,
    NoLonger,
}

pub(super) fn stands(order: &Order) -> Stands {
    match order.status {
        wire::PAID => Stands::Paid,
        _ if order.endtime.is_empty() || order.endtime.starts_with(wire::NEVER) => Stands::NotPaid,
        _ => Stands::NoLonger,
    }
}

/// For a person, who can look where a program cannot.
pub(super) fn no_longer() -> ProviderError {
    let why = "the order is not paid there any more: it was refunded or is disputed, which only its own pages tell";
    ProviderError::Unreachable(why.to_owned())
}

pub(super) fn payments(
    order: &OrderRef,
    found: &Order,
    currency: Currency,
) -> Result<Vec<PaymentNotice>, ProviderError> {
    if stands(found) != Stands::Paid {
        return Ok(vec![]);
    }
    let unclear = || ProviderError::Unreachable("its answer names no amount that can be understood".to_owned());
    let payment = Payment {
        provider: NAME.to_owned(),
        payment_id: found.trade_no.clone(),
        amount: amount(&found.money, currency).ok_or_else(unclear)?,
        method: None,
    };
    Ok(vec![PaymentNotice { order: order.number.clone(), payment }])
}

pub(super) fn news(form: &Form, currency: Currency) -> Result<News, NoticeError> {
    let trade_no = field(form, "trade_no").ok_or_else(|| NoticeError::malformed("it names no trade"))?;
    let status = field(form, "trade_status").unwrap_or_default();
    if status != wire::TRADE_SUCCESS {
        return Ok(News::ForReview(format!("LINUX DO Credit speaks of a trade that is {}", word(status))));
    }
    let money = field(form, "money").and_then(|text| amount(text, currency));
    let amount = money.ok_or_else(|| NoticeError::malformed("it names no amount"))?;
    let Some(number) = field(form, "out_trade_no") else {
        return Ok(News::ForReview(format!("{amount} were paid by a link, for no order: trade {}", word(trade_no))));
    };
    let Ok(order) = number.parse::<OrderNumber>() else {
        return Ok(News::ForReview(format!("trade {} is of no order of this ledger", word(trade_no))));
    };
    let order = OrderName::Number(order);
    Ok(News::Paid(PaidNews { order, payment_id: trade_no.to_owned(), amount, method: None }))
}
