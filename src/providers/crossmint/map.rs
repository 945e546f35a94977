//! Crossmint's words into ours, and ours into theirs. The only file that knows both.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{Currency, Money};
use secrecy::ExposeSecret;

use super::wire::{CallData, CreateOrder, Envelope, LineItem, Named, NewPayment, Order, Price, Recipient};
use super::{NAME, Sale};
use crate::dispatch::{PaymentNotice, RefundNotice};
use crate::providers::{News, NoticeError, OrderName, OrderRef, PaidNews, PaymentRequest, ProviderError};

const LOCATOR_PREFIX: &str = "crossmint:";
/// The one status of a payment that means money.
const COMPLETED: &str = "completed";

pub(super) fn create<'a>(request: &'a PaymentRequest, sale: &'a Sale) -> CreateOrder<'a> {
    let email = request.email.as_ref().map(ExposeSecret::expose_secret);
    let collection = &sale.collection;
    let has_prefix = collection.starts_with(LOCATOR_PREFIX);
    let locator = if has_prefix { collection.clone() } else { format!("{LOCATOR_PREFIX}{collection}") };
    CreateOrder {
        recipient: email.map(|email| Recipient { email }),
        payment: NewPayment {
            method: &sale.payment_method,
            currency: request.amount.currency().code().to_ascii_lowercase(),
            receipt_email: email,
        },
        line_items: [LineItem {
            collection_locator: locator,
            call_data: CallData { total_price: request.amount.to_string(), quantity: 1 },
        }],
    }
}

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    News(Vec<News>),
    /// This order of theirs was paid; how much is not said.
    AmountUnknown(String),
}

/// The names without `orders` are of before version 3 of their checkout, and are still in use.
pub(super) fn heard(body: &[u8], currency: Currency) -> Result<Heard, NoticeError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|_| NoticeError::malformed("the body is no notification"))?;
    let news = match envelope.kind.as_str() {
        "orders.payment.succeeded" | "order.paid" => return succeeded(&envelope, currency),
        "orders.payment.failed" | "order.failed" => News::Nothing("an attempt to pay failed; there may be another one"),
        "order.cancelled" => News::Nothing("it is not paid there any more; the order here ends in its own time"),
        "orders.quote.created" | "orders.quote.updated" => News::Nothing("a quote pays nothing"),
        // It was paid before: whether that was heard is for whoever asks to find out.
        "orders.delivery.initiated" | "orders.delivery.completed" => News::Ask(name(&envelope)?),
        "orders.delivery.failed" => return undelivered(&envelope),
        other => {
            let other: String = other.chars().filter(|c| !c.is_control()).take(100).collect();
            News::ForReview(format!("Crossmint says {other:?}, which is not known here"))
        }
    };
    Ok(Heard::News(vec![news]))
}

fn succeeded(envelope: &Envelope<'_>, currency: Currency) -> Result<Heard, NoticeError> {
    let order_id = order_id(envelope)?;
    let order = envelope.data.and_then(|data| serde_json::from_str::<Order>(data.get()).ok());
    let status = order.as_ref().and_then(|order| order.payment.as_ref()?.status.as_deref());
    if status.is_some_and(|status| status != COMPLETED) {
        return Ok(Heard::News(vec![News::Ask(OrderName::Reference(order_id))]));
    }
    let paid = order.as_ref().map(|order| collected(order, currency)).transpose().map_err(NoticeError::malformed)?;
    Ok(match paid.flatten() {
        Some(paid) => Heard::News(vec![paid_news(&order_id, paid)]),
        None => Heard::AmountUnknown(order_id),
    })
}

/// They give the money back by themselves, and nothing is said of when.
fn undelivered(envelope: &Envelope<'_>) -> Result<Heard, NoticeError> {
    let order_id = order_id(envelope)?;
    let what = format!(
        "Crossmint could not deliver what was bought with its order {order_id}, and gives the money back by itself: \
         compare the order with Crossmint until it has"
    );
    Ok(Heard::News(vec![News::Ask(OrderName::Reference(order_id)), News::ForReview(what)]))
}

fn name(envelope: &Envelope<'_>) -> Result<OrderName, NoticeError> {
    order_id(envelope).map(OrderName::Reference)
}

fn order_id(envelope: &Envelope<'_>) -> Result<String, NoticeError> {
    let named = envelope.data.and_then(|data| serde_json::from_str::<Named>(data.get()).ok());
    let order_id = named.map(|named| named.order_id).filter(|order_id| fits(order_id));
    order_id.ok_or_else(|| NoticeError::malformed("the notification names no order"))
}

fn fits(text: &str) -> bool {
    (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// How much was paid, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Collected {
    amount: Money,
    method: Option<String>,
}

/// Of an order that was asked for: only what its status calls completed is paid.
pub(super) fn paid(order: &Order, currency: Currency) -> Result<Option<Collected>, &'static str> {
    let status = order.payment.as_ref().and_then(|payment| payment.status.as_deref());
    if status == Some(COMPLETED) { collected(order, currency) } else { Ok(None) }
}

/// What they received. One may pay in another currency than was asked for, tokens among them: then what they asked for,
/// which is what they were satisfied with. What they received of ours and cannot be counted, no quote stands for.
fn collected(order: &Order, currency: Currency) -> Result<Option<Collected>, &'static str> {
    let payment = order.payment.as_ref();
    let received = payment.and_then(|payment| payment.received.as_ref()).filter(|price| is_in(price, currency));
    let amount = match received {
        Some(price) => Some(amount(price, currency).ok_or("what was received is no amount")?),
        None => order.quote.as_ref().and_then(|quote| amount(quote.total_price.as_ref()?, currency)),
    };
    let method = payment.and_then(|payment| payment.method.clone()).filter(|method| fits(method));
    Ok(amount.map(|amount| Collected { amount, method }))
}

fn is_in(price: &Price, currency: Currency) -> bool {
    price.currency.eq_ignore_ascii_case(currency.code())
}

/// `None`: of another currency, or none that can be counted.
fn amount(price: &Price, currency: Currency) -> Option<Money> {
    if !is_in(price, currency) {
        return None;
    }
    let text = price.amount.get().trim_matches('"');
    // Zeros that a currency has no place for change nothing.
    let fewer = || text.contains('.').then(|| text.trim_end_matches('0').trim_end_matches('.'));
    let parsed = Money::parse(text, currency).ok().or_else(|| Money::parse(fewer()?, currency).ok());
    parsed.filter(|amount| !amount.is_negative() && !amount.is_zero())
}

pub(super) fn paid_news(order_id: &str, paid: Collected) -> News {
    let Collected { amount, method } = paid;
    let order = OrderName::Reference(order_id.to_owned());
    News::Paid(PaidNews { order, payment_id: order_id.to_owned(), amount, method })
}

pub(super) fn payment(
    order: &OrderRef,
    found: &Order,
    currency: Currency,
) -> Result<Option<PaymentNotice>, ProviderError> {
    let paid = paid(found, currency).map_err(|detail| ProviderError::Unreachable(detail.to_owned()))?;
    let Some(Collected { amount, method }) = paid else { return Ok(None) };
    let payment = aggregates::Payment { provider: NAME.to_owned(), payment_id: found.order_id.clone(), amount, method };
    Ok(Some(PaymentNotice { order: order.number.clone(), payment }))
}

/// Of an order money goes back at most once there, so its name is also the refund's.
pub(super) fn refund(order: &OrderRef, found: &Order, currency: Currency) -> Option<RefundNotice> {
    let amount = amount(found.payment.as_ref()?.refunded.as_ref()?, currency)?;
    Some(RefundNotice {
        order: order.number.clone(),
        provider: NAME.to_owned(),
        payment_id: found.order_id.clone(),
        refund: found.order_id.clone(),
        amount,
        provider_refund: None,
        reason: None,
    })
}
