//! Creem's words into ours, and ours into theirs. The only file that knows both.
//!
//! Our prices are before tax where Creem puts the tax on top, so a payment is recorded as what was charged before tax,
//! and of what goes back the part that is not tax: like is compared with like, and to give all back is to give back what
//! was recorded. A payment is named by its transaction, since that is what periods, refunds and disputes go by.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{Currency, Money, reason};

use super::wire::{
    Checkout, Dispute, Envelope, Linked, Metadata, Named, Order, Refund, RefundedCheckout, Subscription, Transaction,
};
use crate::providers::{News, NoticeError, OrderName, PaidNews, RefundedNews};

/// What a notification says, as far as it says it.
#[derive(Debug)]
pub(super) enum Heard {
    News(News),
    /// A period was paid; how much, its transaction knows.
    Period {
        order: OrderName,
        transaction: String,
    },
    /// Money went back; which part of it is tax, its transaction knows.
    Back {
        refund: Refund,
        transaction: String,
    },
}

pub(super) fn heard(body: &[u8]) -> Result<Heard, NoticeError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|_| NoticeError::malformed("the body is no notification"))?;
    let news = match envelope.event() {
        "checkout.completed" | "payment.completed" => completed(&envelope)?,
        "subscription.paid" | "subscription.renewed" => return period(&envelope),
        "subscription.scheduled_cancel" | "subscription.canceled" | "subscription.cancelled" => ends(&envelope)?,
        "refund.created" | "refund.completed" => return back(&envelope),
        "dispute.created" => disputed(&envelope)?,
        "subscription.active" | "subscription.created" | "subscription.update" => {
            News::Nothing("what is paid for it is told by itself")
        }
        "subscription.trialing" => News::Nothing("a trial pays nothing"),
        "subscription.expired" | "subscription.past_due" | "subscription.unpaid" => {
            News::Nothing("a period was not paid, and may be yet")
        }
        "subscription.paused" => paused(&envelope)?,
        "customer_credits.exhausted"
        | "customer_credits.granted"
        | "customer_credits.consumed"
        | "customer_credits.auto_recharged"
        | "credits.granted"
        | "credits.consumed"
        | "credits.auto_recharged" => News::Nothing("credits of their own product"),
        other => News::ForReview(format!("Creem says {:?}, which is not known here", shown(other))),
    };
    Ok(Heard::News(news))
}

fn read<'a, T: serde::Deserialize<'a>>(envelope: &'a Envelope<'_>, what: &str) -> Result<T, NoticeError> {
    serde_json::from_str(envelope.object())
        .map_err(|_| NoticeError::malformed(format!("the notification has no {what}")))
}

/// For people, from outside.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn fits(text: &str) -> bool {
    (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn named(text: Option<&str>) -> Option<String> {
    text.filter(|text| fits(text)).map(str::to_owned)
}

/// Our number where it came back, otherwise the checkout.
fn order_name(metadata: Option<&Metadata>, request_id: Option<&str>, checkout: Option<&str>) -> Option<OrderName> {
    let given = metadata.and_then(|metadata| metadata.order_no.as_deref());
    let number = [given, request_id].into_iter().flatten().find_map(|text| text.parse().ok());
    number.map(OrderName::Number).or_else(|| named(checkout).map(OrderName::Reference))
}

pub(super) fn is_recurring(checkout: &Checkout) -> bool {
    let kind = checkout.order.as_ref().and_then(|order| order.kind.as_deref());
    checkout.subscription.is_some() || kind == Some("recurring")
}

fn completed(envelope: &Envelope<'_>) -> Result<News, NoticeError> {
    let checkout: Checkout = read(envelope, "checkout")?;
    if is_recurring(&checkout) {
        return Ok(News::Nothing("the first period is told by itself"));
    }
    let name = order_name(checkout.metadata.as_ref(), checkout.request_id.as_deref(), checkout.id.as_deref());
    let name = name.ok_or_else(|| NoticeError::malformed("the notification names no order"))?;
    let paid = checkout.order.as_ref().filter(|order| order.status.as_deref() == Some("paid"));
    let payment_id = paid.and_then(|order| named(order.transaction.as_ref().map(Linked::id)));
    // Under another name it would be another payment once its transaction is known.
    let (Some(order), Some(payment_id)) = (paid, payment_id) else { return Ok(News::Ask(name)) };
    Ok(match order.charged() {
        Some(amount) => News::Paid(PaidNews { order: name, payment_id, amount, method: None }),
        None => News::ForReview(format!("Creem was paid with transaction {payment_id}, but not in money known here")),
    })
}

fn period(envelope: &Envelope<'_>) -> Result<Heard, NoticeError> {
    let subscription: Subscription = read(envelope, "subscription")?;
    let transaction = named(subscription.last_transaction_id.as_deref());
    let transaction = transaction.ok_or_else(|| NoticeError::malformed("the notification names no transaction"))?;
    let order = order_name(subscription.metadata.as_ref(), None, None);
    let unknown = || {
        let id = shown(&subscription.id);
        News::ForReview(format!("Creem collected for subscription {id}, which names no order of this ledger"))
    };
    Ok(order.map_or_else(|| Heard::News(unknown()), |order| Heard::Period { order, transaction }))
}

/// Its order, or whatever it was paid with last.
fn subscribed(subscription: &Subscription) -> Option<OrderName> {
    let paid = || named(subscription.last_transaction_id.as_deref()).map(OrderName::Payment);
    order_name(subscription.metadata.as_ref(), None, None).or_else(paid)
}

fn ends(envelope: &Envelope<'_>) -> Result<News, NoticeError> {
    let subscription: Subscription = read(envelope, "subscription")?;
    let unknown = "of a subscription that was never paid and names no order";
    Ok(subscribed(&subscription).map_or(News::Nothing(unknown), News::CollectsNoMore))
}

fn paused(envelope: &Envelope<'_>) -> Result<News, NoticeError> {
    let subscription: Subscription = read(envelope, "subscription")?;
    let id = shown(&subscription.id);
    Ok(News::ForReview(format!(
        "subscription {id} was paused at Creem: nothing is collected until it is resumed there"
    )))
}

fn disputed(envelope: &Envelope<'_>) -> Result<News, NoticeError> {
    let Dispute { id, transaction } = read(envelope, "dispute")?;
    let (id, transaction) = (shown(&id.unwrap_or_default()), transaction.as_ref().map_or("", Linked::id));
    let transaction = shown(transaction);
    Ok(News::ForReview(format!("transaction {transaction} is disputed at Creem (dispute {id}): answer it there")))
}

fn back(envelope: &Envelope<'_>) -> Result<Heard, NoticeError> {
    let refund: Refund = read(envelope, "refund")?;
    let transaction = match &refund.transaction {
        Linked::Name(id) | Linked::Whole(Transaction { id, .. }) => named(Some(id)),
    };
    let transaction = transaction.filter(|_| fits(&refund.id));
    let transaction = transaction.ok_or_else(|| NoticeError::malformed("the notification names no transaction"))?;
    let id = shown(&refund.id);
    let review = match refund.status.as_deref() {
        Some("succeeded") => return Ok(Heard::Back { refund, transaction }),
        Some("failed" | "canceled") => {
            format!("refund {id} of transaction {transaction} did not happen at Creem")
        }
        // Nobody knows yet whether its end is told as well.
        _ => {
            format!("refund {id} of transaction {transaction} is under way at Creem: see that it is recorded once done")
        }
    };
    Ok(Heard::News(News::ForReview(review)))
}

/// What was collected for the period that is paid last.
pub(super) fn last_transaction(subscription: &Subscription) -> Option<String> {
    named(subscription.last_transaction_id.as_deref())
}

/// What was collected for a period, as far as it is to be delivered: what is pending may be asked for again.
pub(super) fn of_period(transaction: &Transaction) -> Option<Money> {
    let is_paid = matches!(transaction.status.as_str(), "paid" | "partialRefund");
    transaction.charged().filter(|charged| is_paid && !charged.is_zero())
}

pub(super) fn period_news(order: OrderName, transaction: &Transaction) -> Result<News, NoticeError> {
    let id = shown(&transaction.id);
    match transaction.status.as_str() {
        // What went back since is news of its own.
        "paid" | "refunded" | "partialRefund" => {}
        "pending" => return Err(NoticeError::Unavailable("its transaction is not paid yet".to_owned())),
        status => {
            let status = shown(status);
            return Ok(News::ForReview(format!("Creem says that a period was paid, but transaction {id} is {status}")));
        }
    }
    Ok(match transaction.charged() {
        Some(amount) if amount.is_zero() => News::Nothing("nothing was collected for the period"),
        Some(amount) => {
            let payment_id = transaction.id.clone();
            News::PeriodPaid(PaidNews { order, payment_id, amount, method: None })
        }
        None => News::ForReview(format!("Creem collected with transaction {id}, but not in money known here")),
    })
}

/// Named by their own number: it does not know ours, also where it was asked for here.
pub(super) fn back_news(refund: &Refund, transaction: &Transaction) -> News {
    let (metadata, request_id, checkout) = match &refund.checkout {
        Some(Linked::Whole(RefundedCheckout { id, request_id, metadata })) => {
            (metadata.as_ref(), request_id.as_deref(), Some(id.as_str()))
        }
        Some(Linked::Name(id)) => (None, None, Some(id.as_str())),
        None => (None, None, None),
    };
    let name = order_name(metadata, request_id, checkout).unwrap_or_else(|| OrderName::Payment(transaction.id.clone()));
    let Some(amount) = transaction.part(refund.refund_amount, &refund.refund_currency) else {
        let (id, transaction) = (shown(&refund.id), shown(&transaction.id));
        return News::ForReview(format!(
            "refund {id} of transaction {transaction} at Creem cannot be told from its tax: record by hand what went back"
        ));
    };
    News::Refunded(RefundedNews {
        order: name,
        payment_id: Some(transaction.id.clone()),
        refund: refund.id.clone(),
        amount,
        provider_refund: Some(refund.id.clone()),
        reason: refund.reason.as_deref().map(reason::from_outside),
    })
}

/// What was charged before tax. Where the price includes the tax, what was paid is the price; where it does not, tax is
/// what was paid above it. Anything else (a discount) was paid instead of the price, and shows as another amount.
fn before_tax(amount: i64, paid: Option<i64>, tax: Option<i64>) -> Option<i64> {
    let paid = paid.unwrap_or(amount);
    let without_tax = paid.checked_sub(tax.unwrap_or(0))?;
    let charged = if paid == amount || without_tax == amount { amount } else { without_tax };
    (charged >= 0 && charged <= paid).then_some(charged)
}

fn money(minor: i64, currency: &str) -> Option<Money> {
    Currency::iso(currency).ok().map(|currency| Money::from_minor(minor, currency))
}

impl Order {
    pub(super) fn charged(&self) -> Option<Money> {
        money(before_tax(self.amount, self.amount_paid, self.tax_amount)?, &self.currency)
    }
}

impl Transaction {
    pub(super) fn charged(&self) -> Option<Money> {
        money(self.charged_minor()?, &self.currency)
    }

    fn charged_minor(&self) -> Option<i64> {
        before_tax(self.amount, self.amount_paid, self.tax_amount)
    }

    fn paid(&self) -> i64 {
        self.amount_paid.unwrap_or(self.amount)
    }

    /// Of the first `gross` that went back, the part that is not tax: the whole of it when all went back.
    fn without_tax(&self, gross: i64) -> Option<i64> {
        let (gross, paid) = (i128::from(gross), i128::from(self.paid()));
        let part = gross.checked_mul(i128::from(self.charged_minor()?))?.checked_div(paid)?;
        i64::try_from(part).ok()
    }

    /// What is not tax in a refund, which is the last of those that went back so far. Parts rounded one by one add up to
    /// the whole.
    fn part(&self, gross: i64, currency: &str) -> Option<Money> {
        let so_far = self.refunded_amount.unwrap_or(gross).max(gross);
        if currency != self.currency || gross <= 0 || so_far > self.paid() {
            return None;
        }
        let part = self.without_tax(so_far)?.checked_sub(self.without_tax(so_far.checked_sub(gross)?)?)?;
        money(part, currency).filter(|part| !part.is_zero())
    }

    /// What can still go back, before tax. `None`: it cannot be told.
    pub(super) fn left(&self) -> Option<Money> {
        let back = self.refunded_amount.unwrap_or(0).clamp(0, self.paid().max(0));
        money(self.charged_minor()?.checked_sub(self.without_tax(back)?)?, &self.currency)
    }

    pub(super) fn is_refunded(&self) -> bool {
        self.status == "refunded" || (self.paid() > 0 && self.refunded_amount.is_some_and(|back| back >= self.paid()))
    }

    pub(super) fn is_charged_back(&self) -> bool {
        matches!(self.status.as_str(), "chargedBack" | "chargeback")
    }

    /// Whatever became of it since.
    pub(super) fn was_paid(&self) -> bool {
        matches!(self.status.as_str(), "paid" | "partialRefund" | "refunded") || self.is_charged_back()
    }
}

/// What pays for an order of theirs, once it is paid.
pub(super) fn transaction_of(order: &Order) -> Option<&str> {
    order.transaction.as_ref().map(Linked::<Named>::id).filter(|id| fits(id))
}
