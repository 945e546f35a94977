//! Lists as tables.

use projections::catalogue::query::ProductView;
use projections::deliveries::query::DeliveryView;
use projections::orders::query::{OrderView, ReviewView};
use projections::orders::refund_query::RefundView;
use projections::statement::query::LineView;
use serde::Serialize;

use super::super::paging::Row;

impl Row for LineView {
    const HEADER: &'static [&'static str] =
        &["transaction", "at", "type", "source", "amount", "balance_after", "meter", "reference", "reason"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.transaction.clone(),
            time(self.at),
            self.kind.clone(),
            self.source.as_ref().map(word).unwrap_or_default(),
            self.amount.clone(),
            self.balance_after.clone(),
            or_empty(&self.meter),
            or_empty(&self.reference),
            or_empty(&self.reason),
        ]
    }
}

impl Row for ProductView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "name",
        "description",
        "prices",
        "type",
        "duration_days",
        "daily_limit",
        "day",
        "sort_order",
        "on_sale",
    ];

    fn cells(&self) -> Vec<String> {
        let prices: Vec<String> = self.prices.iter().map(|it| format!("{} {}", it.amount, it.currency)).collect();
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.description.clone(),
            prices.join("; "),
            self.kind.to_owned(),
            self.duration_days.to_string(),
            self.daily_limit.clone(),
            word(&self.day),
            self.sort_order.to_string(),
            self.on_sale.to_string(),
        ]
    }
}

impl Row for OrderView {
    const HEADER: &'static [&'static str] = &[
        "order_no",
        "account",
        "product",
        "name",
        "amount",
        "currency",
        "provider",
        "status",
        "late",
        "payment_id",
        "payment_method",
        "refunded",
        "user_package",
        "placed_at",
        "expires_at",
        "paid_at",
        "fulfilled_at",
        "closed_at",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.order_no.clone(),
            self.account.clone(),
            self.product.map(|number| number.to_string()).unwrap_or_default(),
            self.name.clone(),
            self.price.amount.clone(),
            self.price.currency.clone(),
            self.provider.clone(),
            self.status.as_str().to_owned(),
            self.late.to_string(),
            or_empty(&self.payment_id),
            or_empty(&self.payment_method),
            self.refunded.as_ref().map(|money| money.amount.clone()).unwrap_or_default(),
            self.user_package.map(|id| id.to_string()).unwrap_or_default(),
            time(self.placed_at),
            time(self.expires_at),
            self.paid_at.map(time).unwrap_or_default(),
            self.fulfilled_at.map(time).unwrap_or_default(),
            self.closed_at.map(time).unwrap_or_default(),
            or_empty(&self.reason),
        ]
    }
}

impl Row for ReviewView {
    const HEADER: &'static [&'static str] = &[
        "order_no",
        "account",
        "kind",
        "provider",
        "payment_id",
        "paid",
        "paid_currency",
        "expected",
        "expected_currency",
        "method",
        "at",
        "id",
        "state",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.order_no.clone(),
            self.account.clone(),
            self.kind.clone(),
            self.provider.clone(),
            self.payment_id.clone(),
            self.paid.amount.clone(),
            self.paid.currency.clone(),
            self.expected.amount.clone(),
            self.expected.currency.clone(),
            or_empty(&self.method),
            time(self.at),
            self.id.to_string(),
            word(&self.state),
            or_empty(&self.reason),
        ]
    }
}

impl Row for RefundView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "order_no",
        "account",
        "provider",
        "payment_id",
        "amount",
        "currency",
        "reason",
        "revoke",
        "state",
        "failed_attempts",
        "last_reason",
        "provider_refund",
        "requested_at",
        "changed_at",
        "done_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.order_no.clone(),
            self.account.clone(),
            self.provider.clone(),
            self.payment_id.clone(),
            self.amount.amount.clone(),
            self.amount.currency.clone(),
            or_empty(&self.reason),
            self.revoke.to_string(),
            self.state.as_str().to_owned(),
            self.attempts.len().to_string(),
            self.attempts.last().map(|attempt| attempt.reason.clone()).unwrap_or_default(),
            or_empty(&self.provider_refund),
            time(self.requested_at),
            time(self.changed_at),
            self.done_at.map(time).unwrap_or_default(),
        ]
    }
}

impl Row for DeliveryView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "account",
        "order_no",
        "user_package",
        "state",
        "step",
        "failed_attempts",
        "last_reason",
        "key_id",
        "last_four",
        "message_id",
        "requested_at",
        "changed_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.account.clone(),
            or_empty(&self.order_no),
            self.user_package.to_string(),
            word(&self.state),
            self.step.clone(),
            self.attempts.len().to_string(),
            self.attempts.last().map(|attempt| attempt.reason.clone()).unwrap_or_default(),
            or_empty(&self.key_id),
            or_empty(&self.last_four),
            or_empty(&self.message_id),
            time(self.requested_at),
            time(self.changed_at),
        ]
    }
}

pub(super) fn or_empty(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// The name that a plain enum has in JSON.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
