use aggregates::order::{Cancelled, Paid};
use aggregates::{AggregateId, Money};
use uuid::Uuid;

use super::*;
use crate::facts::{fold, time};

#[test]
fn an_order_cancelled_and_paid_in_one_batch_is_one_row_that_says_so() {
    let at = time("2026-01-05T06:00:00Z");
    let payment = Payment {
        provider: "sandbox".to_owned(),
        payment_id: "p".to_owned(),
        amount: Money::from_minor(3_000, "CNY".parse().expect("a currency")),
        method: None,
    };
    let id = OrderId::from_uuid(Uuid::from_u128(1));
    let events = [OrderEvent::Cancelled(Cancelled { at }), OrderEvent::Paid(Paid { payment, late: true, at })];
    let mut orders = Orders::default();
    fold(&mut orders, AggregateId::order(id), events.map(Event::from));
    let row = &orders.orders[&id];
    assert_eq!((row.status, row.late, row.closed_at), (Some("paid"), Some(true), Some(at)));
    assert!(orders.reviews.is_empty());
}
