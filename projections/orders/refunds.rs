//! Rows of money that goes back, and what they make of their orders' status.

use aggregates::order::{Refunded, ReviewClosed};
use aggregates::{AccountKey, Money, OrderEvent, OrderId, RefundId};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

use crate::rows::{currency, text, word};
use crate::{Fact, Unfit};

#[derive(Default)]
pub(super) struct Refunds {
    rows: BTreeMap<(OrderId, RefundId), Refund>,
    closed: Vec<Closed>,
}

/// What becomes of a refund's row. `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refund {
    /// It is new here, unless it was asked for before it happened.
    first: Option<First>,
    state: Option<&'static str>,
    /// To be added to those before.
    attempts: Vec<Value>,
    /// That went back.
    revoke: Option<bool>,
    provider_refund: Option<String>,
    done_at: Option<DateTime<Utc>>,
    changed_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct First {
    account: AccountKey,
    provider: String,
    payment_id: String,
    amount: Money,
    reason: Option<String>,
    revoke: bool,
    at: DateTime<Utc>,
}

/// A payment for review that waits no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Closed {
    order: OrderId,
    provider: String,
    payment_id: String,
    outcome: String,
    reason: String,
}

impl Refunds {
    /// `false`: the event is about something else.
    pub(super) fn fold(&mut self, fact: &Fact<'_>, event: &OrderEvent) -> Result<bool, Unfit> {
        let order = OrderId::from_uuid(fact.aggregate.id);
        match event {
            OrderEvent::ReviewClosed(closed) => self.closed.push(Closed::of(order, closed)?),
            OrderEvent::RefundRequested(requested) => {
                let row = self.change(order, requested.refund, requested.at, "requested");
                row.first = Some(First {
                    account: fact.account,
                    provider: text(&requested.provider),
                    payment_id: text(&requested.payment_id),
                    amount: requested.amount,
                    reason: Some(text(&requested.reason)),
                    // Decided when it is done; the row says no until then.
                    revoke: requested.revoke.unwrap_or_default(),
                    at: requested.at,
                });
            }
            OrderEvent::RefundFailed(failed) => {
                let row = self.change(order, failed.refund, failed.at, "failing");
                row.attempts.push(json!({
                    "attempt": failed.attempt, "reason": text(&failed.reason), "at": failed.at,
                }));
            }
            OrderEvent::RefundRefused(refused) => {
                let row = self.change(order, refused.refund, refused.at, "refused");
                row.attempts.push(json!({"reason": text(&refused.reason), "at": refused.at}));
            }
            OrderEvent::RefundGivenUp(given_up) => {
                self.change(order, given_up.refund, given_up.at, "given_up");
            }
            OrderEvent::RefundRetried(retried) => {
                self.change(order, retried.refund, retried.at, "requested");
            }
            OrderEvent::Refunded(refunded) => self.refunded(fact.account, order, refunded),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn change(&mut self, order: OrderId, refund: RefundId, at: DateTime<Utc>, state: &'static str) -> &mut Refund {
        let row = self.rows.entry((order, refund)).or_default();
        (row.state, row.changed_at) = (Some(state), Some(at));
        row
    }

    fn refunded(&mut self, account: AccountKey, order: OrderId, refunded: &Refunded) {
        let row = self.change(order, refunded.refund, refunded.at, "done");
        row.done_at = Some(refunded.at);
        row.revoke = Some(refunded.revoke);
        row.provider_refund = refunded.provider_refund.as_deref().map(text);
        row.first.get_or_insert_with(|| First {
            account,
            provider: text(&refunded.provider),
            payment_id: text(&refunded.payment_id),
            amount: refunded.amount,
            reason: None,
            revoke: refunded.revoke,
            at: refunded.at,
        });
    }

    /// After the orders themselves.
    pub(super) async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = std::mem::take(&mut self.rows);
        insert(tx, &rows).await?;
        update(tx, &rows).await?;
        set_status(tx, &rows.keys().map(|(order, _)| *order).collect()).await?;
        close(tx, &std::mem::take(&mut self.closed)).await
    }
}

impl Closed {
    fn of(order: OrderId, closed: &ReviewClosed) -> Result<Self, Unfit> {
        Ok(Self {
            order,
            provider: text(&closed.provider),
            payment_id: text(&closed.payment_id),
            outcome: word(&closed.outcome)?,
            reason: text(&closed.reason),
        })
    }
}

type Rows = BTreeMap<(OrderId, RefundId), Refund>;

async fn insert(tx: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    let new: Vec<_> = rows.iter().filter_map(|(id, row)| row.first.as_ref().map(|first| (id, first))).collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO refunds (order_id, id, account, provider, payment_id, amount_minor, amount_currency, reason, revoke,
                              requested_at, changed_at, state, attempts)
         SELECT order_id, id, account, provider, payment_id, amount_minor, amount_currency, reason, revoke, at, at,
                'requested', '[]'
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::text[],
                       $9::bool[], $10::timestamptz[])
                AS n (order_id, id, account, provider, payment_id, amount_minor, amount_currency, reason, revoke, at)
         ON CONFLICT (order_id, id) DO NOTHING",
    )
    .bind(new.iter().map(|((order, _), _)| order.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|((_, refund), _)| refund.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.account.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.provider.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.payment_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.amount.minor()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| currency(&first.amount)).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.reason.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.revoke).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, first)| first.at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn update(tx: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE refunds r
            SET state = coalesce(n.state, r.state), attempts = r.attempts || n.attempts,
                revoke = coalesce(n.revoke, r.revoke), provider_refund = coalesce(n.provider_refund, r.provider_refund),
                done_at = coalesce(n.done_at, r.done_at), changed_at = coalesce(n.changed_at, r.changed_at)
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::bool[], $6::text[], $7::timestamptz[],
                       $8::timestamptz[])
                AS n (order_id, id, state, attempts, revoke, provider_refund, done_at, changed_at)
          WHERE r.order_id = n.order_id AND r.id = n.id",
    )
    .bind(rows.keys().map(|(order, _)| order.uuid()).collect::<Vec<_>>())
    .bind(rows.keys().map(|(_, refund)| refund.uuid()).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.state).collect::<Vec<_>>())
    .bind(rows.values().map(|row| Value::Array(row.attempts.clone())).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.revoke).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.provider_refund.as_deref()).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.done_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.changed_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Of the refunds of an order's own payment, as `aggregates/order/refund.rs` has it.
async fn set_status(tx: &mut PgConnection, orders: &BTreeSet<OrderId>) -> Result<(), sqlx::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE orders o
            SET refunded_minor = s.back,
                status = CASE WHEN s.is_open THEN 'refunding'
                              WHEN s.back = 0 THEN 'fulfilled'
                              WHEN s.back = o.paid_minor THEN 'refunded'
                              ELSE 'partially_refunded' END
           FROM (SELECT p.id, coalesce(sum(r.amount_minor) FILTER (WHERE r.state = 'done'), 0)::int8 AS back,
                        bool_or(r.state IN ('requested', 'failing', 'given_up')) AS is_open
                   FROM orders p
                   JOIN refunds r ON r.order_id = p.id AND r.provider = p.paid_by AND r.payment_id = p.payment_id
                  WHERE p.id = ANY ($1) GROUP BY p.id) s
          WHERE o.id = s.id",
    )
    .bind(orders.iter().map(OrderId::uuid).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn close(tx: &mut PgConnection, closed: &[Closed]) -> Result<(), sqlx::Error> {
    if closed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE payment_reviews r SET outcome = n.outcome, closed_because = n.reason
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                AS n (order_id, provider, payment_id, outcome, reason)
          WHERE r.order_id = n.order_id AND r.provider = n.provider AND r.payment_id = n.payment_id",
    )
    .bind(closed.iter().map(|row| row.order.uuid()).collect::<Vec<_>>())
    .bind(closed.iter().map(|row| row.provider.as_str()).collect::<Vec<_>>())
    .bind(closed.iter().map(|row| row.payment_id.as_str()).collect::<Vec<_>>())
    .bind(closed.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>())
    .bind(closed.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
