//! Orders, and the payments that somebody has to look at.
//!
//! ```text
//!   rows.rs          what becomes of an order's row, and writing it
//!   refunds.rs       money that goes back, and what it makes of the order's status
//!   query.rs         one order, lists of them, payments for review
//!   refund_query.rs  refunds
//! ```

pub mod query;
pub mod refund_query;
mod refunds;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::{Event, OrderEvent, OrderId, Payment};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::rows::text;
use crate::{Fact, Projection, Unfit};
use rows::{Order, Placed, Review};

#[derive(Default)]
pub struct Orders {
    orders: HashMap<OrderId, Order>,
    reviews: Vec<Review>,
    refunds: refunds::Refunds,
}

#[async_trait]
impl Projection for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["orders", "payment_reviews", "refunds"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::Order(event) = fact.event else { return Ok(()) };
        if self.refunds.fold(fact, event)? {
            return Ok(());
        }
        let id = OrderId::from_uuid(fact.aggregate.id);
        let row = self.orders.entry(id).or_default();
        match event {
            OrderEvent::Placed(placed) => {
                row.placed = Some(Placed::of(fact.account, placed)?);
                row.status = Some("pending");
            }
            OrderEvent::CheckoutOpened(opened) => {
                row.checkout_url = opened.checkout.url.as_deref().map(text);
                row.checkout_qr = opened.checkout.qr.as_deref().map(text);
            }
            OrderEvent::Paid(paid) => {
                row.status = Some("paid");
                row.late = Some(paid.late);
                row.payment = Some((paid.payment.clone(), paid.at));
            }
            OrderEvent::Fulfilled(fulfilled) => {
                row.status = Some("fulfilled");
                row.delivered = Some((fulfilled.delivered, fulfilled.at));
            }
            OrderEvent::Expired(expired) => row.close("expired", expired.at, None),
            OrderEvent::Cancelled(cancelled) => row.close("cancelled", cancelled.at, None),
            OrderEvent::Failed(failed) => row.close("failed", failed.at, Some(text(&failed.reason))),
            OrderEvent::PaymentMismatched(mismatched) => {
                self.review(fact, id, "mismatch", &mismatched.payment, mismatched.at);
            }
            OrderEvent::PaymentDuplicated(duplicated) => {
                self.review(fact, id, "duplicate", &duplicated.payment, duplicated.at);
            }
            // These are folded already.
            OrderEvent::ReviewClosed(_)
            | OrderEvent::RefundRequested(_)
            | OrderEvent::RefundFailed(_)
            | OrderEvent::RefundRefused(_)
            | OrderEvent::RefundGivenUp(_)
            | OrderEvent::RefundRetried(_)
            | OrderEvent::Refunded(_) => {}
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut orders: Vec<_> = self.orders.drain().collect();
        orders.sort_unstable_by_key(|(id, _)| *id);
        let (placed, changed): (Vec<_>, Vec<_>) = orders.into_iter().partition(|(_, order)| order.placed.is_some());
        rows::insert(tx, &placed).await?;
        rows::update(tx, &changed).await?;
        rows::insert_reviews(tx, &std::mem::take(&mut self.reviews)).await?;
        self.refunds.write(tx).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Orders {
    fn review(&mut self, fact: &Fact<'_>, order: OrderId, kind: &'static str, payment: &Payment, at: DateTime<Utc>) {
        self.reviews.push(Review {
            log_part: fact.log_part,
            position: fact.position,
            order,
            kind,
            payment: payment.clone(),
            at,
        });
    }
}
