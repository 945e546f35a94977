//! Lists as tables.

use aggregates::Period;
use projections::catalogue::query::ProductView;
use projections::deliveries::query::DeliveryView;
use projections::holds::query::HoldView;
use projections::licenses::query::{LicenseView, UseView};
use projections::orders::query::{OrderView, ReviewView};
use projections::orders::refund_query::RefundView;
use projections::statement::query::LineView;
use projections::{PlanTermsView, TermsView};
use serde::Serialize;
use uuid::Uuid;

use super::super::paging::Row;
use super::licenses::keys::KeyOut;
use crate::lockouts::LockoutView;

impl Row for LineView {
    const HEADER: &'static [&'static str] = &[
        "transaction",
        "at",
        "type",
        "source",
        "amount",
        "balance_after",
        "moved",
        "frozen_after",
        "shortfall_after",
        "hold",
        "grant",
        "order",
        "order_no",
        "meter",
        "reference",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.transaction.clone(),
            time(self.at),
            word(&self.kind),
            self.source.as_ref().map(word).unwrap_or_default(),
            self.amount.clone(),
            self.balance_after.clone(),
            or_empty(&self.moved),
            or_empty(&self.frozen_after),
            or_empty(&self.shortfall_after),
            id(self.hold),
            id(self.grant),
            id(self.order),
            or_empty(&self.order_no),
            or_empty(&self.meter),
            or_empty(&self.reference),
            or_empty(&self.reason),
        ]
    }
}

impl Row for HoldView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "state",
        "amount",
        "charged",
        "of_packages",
        "of_credits",
        "meter",
        "reference",
        "reserved_at",
        "expires_at",
        "finished_at",
    ];

    fn cells(&self) -> Vec<String> {
        let packages: Vec<_> =
            self.packages.iter().map(|it| format!("{} {} {}", it.package, it.day, it.amount)).collect();
        let credits: Vec<_> = self.credits.iter().map(|it| format!("{} {}", it.grant, it.amount)).collect();
        vec![
            self.id.to_string(),
            word(&self.state),
            self.amount.clone(),
            or_empty(&self.charged),
            packages.join("; "),
            credits.join("; "),
            or_empty(&self.meter),
            or_empty(&self.reference),
            time(self.reserved_at),
            time(self.expires_at),
            self.finished_at.map(time).unwrap_or_default(),
        ]
    }
}

impl Row for ProductView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "code",
        "name",
        "description",
        "prices",
        "sort_order",
        "on_sale",
        "type",
        "duration_days",
        "daily_limit",
        "day",
        "again",
        "uses",
        "features",
        "credits",
        "valid_days",
        "period",
        "upgrade_policy",
        "grace_days",
    ];

    fn cells(&self) -> Vec<String> {
        let prices: Vec<String> = self.prices.iter().map(|it| format!("{} {}", it.amount, it.currency)).collect();
        let own = [
            self.id.to_string(),
            or_empty(&self.code),
            self.name.clone(),
            self.description.clone(),
            prices.join("; "),
            self.sort_order.to_string(),
            self.on_sale.to_string(),
            self.terms.name().to_owned(),
        ];
        own.into_iter().chain(terms_cells(&self.terms)).collect()
    }
}

/// From `duration_days` to `grace_days`; empty where the type has no such term.
pub(super) fn terms_cells(terms: &TermsView) -> [String; 11] {
    let mut cells: [String; 11] = Default::default();
    let [duration_days, daily_limit, day, again, uses, features, credits, valid_days, period, policy, grace] =
        &mut cells;
    let mut describe = |plan: &PlanTermsView| {
        *credits = plan.credits.clone();
        *valid_days = number(plan.valid_days);
        *period = match plan.period {
            Period::Days(days) => format!("{days} days"),
            Period::Months(months) => format!("{months} months"),
        };
        *policy = word(&plan.upgrade_policy);
        *grace = plan.grace_days.to_string();
    };
    match terms {
        TermsView::Subscription { plan } | TermsView::PlanChange { plan, .. } => describe(plan),
        TermsView::Package { duration_days: days, daily_limit: limit, day: rule, again: policy } => {
            *duration_days = days.to_string();
            *daily_limit = limit.clone();
            *day = word(rule);
            *again = word(policy);
        }
        TermsView::License { uses: count, features: allowed } => {
            *uses = count.to_string();
            *features = allowed.join(" ");
        }
        TermsView::CreditPack { credits: amount, valid_days: days } => {
            *credits = amount.clone();
            *valid_days = number(*days);
        }
    }
    cells
}

fn number(number: Option<u32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

impl Row for OrderView {
    const HEADER: &'static [&'static str] = &[
        "order_no",
        "account",
        "product",
        "name",
        "type",
        "amount",
        "currency",
        "provider",
        "status",
        "late",
        "payment_id",
        "payment_method",
        "refunded",
        "user_package",
        "license",
        "grant",
        "subscription",
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
            self.terms.name().to_owned(),
            self.price.amount.clone(),
            self.price.currency.clone(),
            self.provider.clone(),
            self.status.as_str().to_owned(),
            self.late.to_string(),
            or_empty(&self.payment_id),
            or_empty(&self.payment_method),
            self.refunded.as_ref().map(|money| money.amount.clone()).unwrap_or_default(),
            id(self.user_package),
            id(self.license),
            id(self.grant),
            id(self.subscription),
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
            self.revoke.map(|revoke| revoke.to_string()).unwrap_or_default(),
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

fn id(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

impl Row for KeyOut {
    const HEADER: &'static [&'static str] = &[
        "id",
        "key_code",
        "status",
        "product",
        "product_type",
        "order_no",
        "quota_total",
        "quota_used",
        "remaining",
        "features",
        "current",
        "bound_to",
        "note",
        "issued_at",
        "activated_at",
        "revoked_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            or_empty(&self.key_code),
            self.status.as_str().to_owned(),
            self.product.map(|number| number.to_string()).unwrap_or_default(),
            or_empty(&self.product_type),
            or_empty(&self.order_no),
            self.quota_total.to_string(),
            self.quota_used.to_string(),
            self.remaining.to_string(),
            self.features.join(" "),
            self.current.to_string(),
            word(&self.bound_to),
            or_empty(&self.note),
            time(self.issued_at),
            self.activated_at.map(time).unwrap_or_default(),
            self.revoked_at.map(time).unwrap_or_default(),
        ]
    }
}

impl Row for UseView {
    const HEADER: &'static [&'static str] = &["id", "at", "units", "given_back", "feature", "reference"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            time(self.at),
            self.units.to_string(),
            self.given_back.to_string(),
            or_empty(&self.feature),
            or_empty(&self.reference),
        ]
    }
}

impl Row for LicenseView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "account",
        "owner",
        "order_no",
        "product",
        "product_type",
        "status",
        "uses",
        "used",
        "remaining",
        "features",
        "issued_at",
        "bound_at",
        "revoked_at",
        "revoked_reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.account.clone(),
            or_empty(&self.owner),
            or_empty(&self.order_no),
            self.product.map(|number| number.to_string()).unwrap_or_default(),
            or_empty(&self.product_type),
            self.status.as_str().to_owned(),
            self.uses.to_string(),
            self.used.to_string(),
            self.remaining.to_string(),
            self.features.join(" "),
            time(self.issued_at),
            self.bound_at.map(time).unwrap_or_default(),
            self.revoked_at.map(time).unwrap_or_default(),
            or_empty(&self.revoked_reason),
        ]
    }
}

impl Row for LockoutView {
    const HEADER: &'static [&'static str] = &["kind", "subject", "lockouts", "locked_until", "last_miss_at"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.clone(),
            self.subject.clone(),
            self.lockouts.to_string(),
            time(self.locked_until),
            time(self.last_miss_at),
        ]
    }
}

pub(super) fn or_empty(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

pub(super) fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// The name that a plain enum has in JSON.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
