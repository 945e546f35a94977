use aggregates::AggregateId;
use aggregates::delivery::{AttemptFailed, GivenUp, KeyCreated, Retried, Withdrawn};
use uuid::Uuid;

use super::*;
use crate::facts::{fold, time};

#[test]
fn what_was_withdrawn_says_why_and_stays_so_when_a_key_comes_late() {
    let at = time("2026-01-05T06:00:00Z");
    let id = DeliveryId::from_uuid(Uuid::from_u128(1));
    let withdrawn = Withdrawn { step: DeliveryStep::CreateKey, reason: "refunded".to_owned(), at };
    let key = KeyCreated { key_id: "k-1".to_owned(), last_four: "beef".to_owned(), at };
    let events = [DeliveryEvent::Withdrawn(withdrawn), DeliveryEvent::KeyCreated(key)];
    let mut deliveries = Deliveries::default();
    fold(&mut deliveries, AggregateId::delivery(id), events.map(Event::from));
    let row = &deliveries.rows[&id];
    assert_eq!((row.state, &row.attempts[0]["reason"]), (Some("withdrawn"), &json!("refunded")));
}

#[test]
fn attempts_are_kept_in_order_and_a_retry_takes_up_its_step() {
    let at = time("2026-01-05T06:00:00Z");
    let step = DeliveryStep::SendMail;
    let failed = |attempt| DeliveryEvent::AttemptFailed(AttemptFailed { step, attempt, reason: "no".to_owned(), at });
    let given_up = DeliveryEvent::GivenUp(GivenUp { step, attempts: 2, at });
    let id = DeliveryId::from_uuid(Uuid::from_u128(1));
    let mut deliveries = Deliveries::default();
    fold(&mut deliveries, AggregateId::delivery(id), [failed(1), failed(2), given_up].map(Event::from));
    assert_eq!(deliveries.rows[&id].state, Some("given_up"));
    let attempts: Vec<_> = deliveries.rows[&id].attempts.iter().map(|it| it["attempt"].as_u64()).collect();
    assert_eq!(attempts, [Some(1), Some(2)]);
    fold(&mut deliveries, AggregateId::delivery(id), [DeliveryEvent::Retried(Retried { step, at }).into()]);
    assert_eq!((deliveries.rows[&id].state, deliveries.rows[&id].step), (Some("key_created"), Some("send_mail")));
}
