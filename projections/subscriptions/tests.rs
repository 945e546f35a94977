use aggregates::subscription::{
    CancelScheduled, CancelWithdrawn, Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed,
    Started, SubscriptionEnd,
};
use aggregates::{
    AggregateId, Credits, Currency, Money, OrderId, Period, PlanTerms, ProductId, SubscriptionEvent, SubscriptionId,
    SubscriptionStatus, UpgradePolicy,
};
use chrono::{DateTime, Utc};

use super::*;
use crate::facts::{alice, fold, time};

fn plan(product: u32) -> Plan {
    let terms = PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(100),
        valid_days: None,
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: 3,
    };
    let price = Money::from_minor(2_000, Currency::iso("CNY").expect("a currency"));
    Plan { product: ProductId::numbered(product), terms, price }
}

fn order(number: u32) -> OrderId {
    OrderId::from_uuid(uuid::Uuid::from_u128(number.into()))
}

fn id() -> SubscriptionId {
    SubscriptionId::of_order(order(1))
}

fn now() -> DateTime<Utc> {
    time("2026-01-10T00:00:00Z")
}

fn period(number: u32, starts_at: &str, ends_at: &str) -> PaidPeriod {
    PaidPeriod { number, order: order(number), starts_at: time(starts_at), ends_at: time(ends_at) }
}

fn started() -> SubscriptionEvent {
    let period = period(1, "2026-01-05T06:00:00Z", "2026-02-05T06:00:00Z");
    SubscriptionEvent::Started(Started { plan: plan(1), period })
}

fn renewed(product: u32) -> SubscriptionEvent {
    let period = period(2, "2026-02-05T06:00:00Z", "2026-03-05T06:00:00Z");
    SubscriptionEvent::Renewed(Renewed { plan: plan(product), period })
}

fn to_come(product: u32) -> SubscriptionEvent {
    SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan: plan(product), at: now() })
}

/// The row that these events make, one after the other.
fn row(events: impl IntoIterator<Item = SubscriptionEvent>) -> rows::Row {
    let mut rows = rows::Rows::new();
    for event in events {
        rows::apply(&mut rows, id(), alice(), &event);
    }
    rows.remove(&id()).expect("a row")
}

#[test]
fn a_subscription_stands_where_its_events_left_it() {
    let row = row([started(), to_come(2), renewed(2)]);
    assert_eq!((row.status, row.plan, row.next_plan, row.number), (SubscriptionStatus::Active, plan(2), None, 2));
    assert_eq!((row.starts_at, row.started_at), (time("2026-02-05T06:00:00Z"), time("2026-01-05T06:00:00Z")));
}

#[test]
fn a_plan_to_come_waits_until_it_is_there_or_taken_back() {
    assert_eq!(row([started(), to_come(2)]).next_plan, Some(plan(2)));
    assert_eq!(row([started(), to_come(2), renewed(1)]).next_plan, Some(plan(2)));
    assert_eq!(row([started(), to_come(2), to_come(1)]).next_plan, None);
    let changed = PlanChanged { plan: plan(3), order: None, undoes: None, at: now() };
    let row = row([started(), to_come(2), SubscriptionEvent::PlanChanged(changed)]);
    assert_eq!((row.plan, row.next_plan), (plan(3), None));
}

#[test]
fn past_due_ends_with_a_payment() {
    let expires_at = time("2026-02-08T06:00:00Z");
    let due = SubscriptionEvent::PastDue(PastDue { expires_at, at: now() });
    let waiting = row([started(), due.clone()]);
    assert_eq!((waiting.status, waiting.expires_at), (SubscriptionStatus::PastDue, Some(expires_at)));
    let paid = row([started(), due, renewed(1)]);
    assert_eq!((paid.status, paid.expires_at), (SubscriptionStatus::Active, None));
}

#[test]
fn a_cancellation_is_shown_until_it_is_withdrawn() {
    let scheduled = CancelScheduled { sealed: Some("a\0b".to_owned()), at: now() };
    let scheduled = SubscriptionEvent::CancelScheduled(scheduled);
    let row_of = |more: Vec<SubscriptionEvent>| row([started(), scheduled.clone()].into_iter().chain(more));
    let waiting = row_of(vec![]);
    assert_eq!((waiting.cancel_at_end, waiting.sealed.as_deref()), (true, Some("a\u{fffd}b")));
    let withdrawn = row_of(vec![SubscriptionEvent::CancelWithdrawn(CancelWithdrawn { at: now() })]);
    assert_eq!((withdrawn.cancel_at_end, withdrawn.sealed), (false, None));
}

#[test]
fn an_end_says_how_and_when() {
    for (how, status) in [
        (SubscriptionEnd::Canceled, SubscriptionStatus::Canceled),
        (SubscriptionEnd::Expired, SubscriptionStatus::Expired),
    ] {
        let ended = Ended { how, reason: Some("r".to_owned()), sealed: Some("s".to_owned()), at: now() };
        let row = row([started(), SubscriptionEvent::Ended(ended)]);
        assert_eq!((row.status, row.ended_at, row.reason.as_deref()), (status, Some(now()), Some("r")));
        assert_eq!(row.sealed.as_deref(), Some("s"));
    }
}

#[test]
fn every_paid_period_is_kept_and_what_is_forgotten_is_gone() {
    let mut subscriptions = Subscriptions::default();
    let events = [started(), renewed(1), to_come(2)].map(aggregates::Event::from);
    fold(&mut subscriptions, AggregateId::subscription(id()), events);
    assert_eq!(subscriptions.periods.iter().map(|(_, _, period)| period.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(subscriptions.news[&id()].events.len(), 3);
    subscriptions.forget();
    assert!(subscriptions.news.is_empty() && subscriptions.periods.is_empty());
}
