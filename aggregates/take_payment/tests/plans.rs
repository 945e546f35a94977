//! What an order of a plan, or of a better one, brings.

use chrono::{DateTime, Utc};

use super::super::*;
use crate::command::Command;
use crate::credit_account::{CreditAccountEvent, Granted};
use crate::credits::Credits;
use crate::desk::{Desk, Recorded, Slot};
use crate::event::Event;
use crate::ids::{ProductId, SubscriptionId};
use crate::money::{Currency, Money};
use crate::order::{Delivered, Fulfilled, OrderCommand, OrderEvent, PlaceOrder};
use crate::product::{Period, PlanChangeTerms, PlanTerms, ProductKind, UpgradePolicy};
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::subscription::{Plan, SubscriptionCommand, SubscriptionEvent};

const START: &str = "2026-01-31T06:00:00Z";
const NOW: &str = "2026-02-10T00:00:00Z";

fn order(number: u128) -> OrderId {
    id(number, OrderId::from_uuid)
}

fn subscription(number: u128) -> SubscriptionId {
    SubscriptionId::of_order(order(number))
}

fn plan(product: u32) -> Plan {
    let terms = PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(product * 10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: 3,
    };
    let price = Money::from_minor(i64::from(product) * 1_000, Currency::iso("CNY").unwrap());
    Plan { product: ProductId::numbered(product), terms, price }
}

fn desk() -> Desk {
    let mut desk = Desk::new(ACCOUNT);
    let bought = (1..=4).flat_map(|number| [AggregateId::order(order(number)), aggregate(number)]);
    for id in bought.chain([AggregateId::credit_account(ACCOUNT), AggregateId::holdings(ACCOUNT)]) {
        desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
    }
    desk
}

fn aggregate(number: u128) -> AggregateId {
    AggregateId::subscription(subscription(number))
}

fn buy(desk: &mut Desk, at: DateTime<Utc>, number: u128, of: &Plan, kind: ProductKind) -> Vec<Recorded> {
    let Plan { product, price, .. } = *of;
    let place = OrderCommand::Place(PlaceOrder {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product,
        name: "plan".to_owned(),
        kind,
        time_zone: chrono_tz::Tz::UTC,
        price,
        provider: "alipay".to_owned(),
        expires_at: time("2027-01-01T00:00:00Z"),
    });
    let payment =
        Payment { provider: "alipay".to_owned(), payment_id: number.to_string(), amount: price, method: None };
    let pay = Command::TakePayment(TakePayment { order: order(number), payment, license_key: None });
    desk.decide(at, &[Command::Order(order(number), place), pay]).unwrap()
}

fn subscribe(desk: &mut Desk, at: &str, number: u128, product: u32) -> Vec<Recorded> {
    buy(desk, time(at), number, &plan(product), ProductKind::Subscription(plan(product).terms))
}

/// As it was sold while the plan was `from`, whatever it is now.
fn upgrade(desk: &mut Desk, at: &str, number: u128, from: u32, product: u32) -> Vec<Recorded> {
    let to = plan(product);
    let change = PlanChangeTerms {
        subscription: subscription(1),
        plan: to.terms,
        price: to.price,
        from: ProductId::numbered(from),
        credits: to.terms.credits.checked_sub(plan(from).terms.credits).unwrap_or_default(),
    };
    buy(desk, time(at), number, &to, ProductKind::PlanChange(change))
}

fn ask(desk: &mut Desk, at: &str, command: SubscriptionCommand) {
    desk.decide(time(at), &[Command::Subscription(subscription(1), command)]).unwrap();
}

fn granted(recorded: &[Recorded]) -> Vec<Credits> {
    let granted = recorded.iter().filter_map(|recorded| match &recorded.event {
        Event::CreditAccount(CreditAccountEvent::Granted(Granted { amount, .. })) => Some(*amount),
        _ => None,
    });
    granted.collect()
}

fn delivered(recorded: &[Recorded]) -> Delivered {
    let delivered = recorded.iter().find_map(|recorded| match &recorded.event {
        Event::Order(OrderEvent::Fulfilled(Fulfilled { delivered, .. })) => Some(*delivered),
        _ => None,
    });
    delivered.unwrap()
}

fn events(recorded: &[Recorded]) -> Vec<&'static str> {
    let of_it = recorded.iter().filter_map(|recorded| match &recorded.event {
        Event::Subscription(event) => Some(SubscriptionEvent::event_type(event)),
        _ => None,
    });
    of_it.collect()
}

#[test]
fn the_same_plan_again_is_a_further_period() {
    let mut desk = desk();
    let first = subscribe(&mut desk, START, 1, 1);
    assert_eq!((events(&first), granted(&first)), (vec!["started"], vec![Credits::whole(10)]));
    let second = subscribe(&mut desk, NOW, 2, 1);
    assert_eq!((events(&second), granted(&second)), (vec!["renewed"], vec![Credits::whole(10)]));
    assert_eq!((delivered(&first), delivered(&second)), {
        let same = Delivered::Subscription(subscription(1));
        (same, same)
    });
}

#[test]
fn another_plan_is_another_subscription() {
    let mut desk = desk();
    subscribe(&mut desk, START, 1, 1);
    let other = subscribe(&mut desk, NOW, 2, 2);
    assert_eq!((events(&other), delivered(&other)), (vec!["started"], Delivered::Subscription(subscription(2))));
}

#[test]
fn the_plan_to_come_and_the_present_one_both_renew() {
    for (product, next) in [(2, 2), (1, 2)] {
        let mut desk = desk();
        subscribe(&mut desk, START, 1, 1);
        ask(&mut desk, NOW, SubscriptionCommand::ScheduleChange { plan: plan(2) });
        let renewed = subscribe(&mut desk, NOW, 2, product);
        assert_eq!((events(&renewed), granted(&renewed)), (vec!["renewed"], vec![plan(product).terms.credits]));
        let state = &desk.slot(&aggregate(1)).unwrap().state;
        assert!(matches!(state, State::Subscription(state) if state.next_plan() == Some(&plan(next))));
    }
}

#[test]
fn what_should_have_ended_by_now_is_started_anew() {
    let mut desk = desk();
    subscribe(&mut desk, START, 1, 1);
    let again = subscribe(&mut desk, "2026-03-03T06:00:00Z", 2, 1);
    assert_eq!((events(&again), delivered(&again)), (vec!["started"], Delivered::Subscription(subscription(2))));
}

#[test]
fn a_better_plan_grants_the_difference_at_once() {
    let mut desk = desk();
    subscribe(&mut desk, START, 1, 1);
    let better = upgrade(&mut desk, NOW, 2, 1, 3);
    assert_eq!((events(&better), granted(&better)), (vec!["plan_changed"], vec![Credits::whole(20)]));
    assert_eq!(delivered(&better), Delivered::PlanChange(subscription(1)));
}

#[test]
fn a_dearer_plan_of_no_more_credits_grants_none() {
    let mut desk = desk();
    subscribe(&mut desk, START, 1, 3);
    let dearer = upgrade(&mut desk, NOW, 2, 3, 2);
    assert_eq!((events(&dearer), granted(&dearer)), (vec!["plan_changed"], vec![]));
}

/// Both were placed while the plan was the first one, each for its own difference in price.
#[test]
fn two_changes_that_are_both_paid_grant_both_differences_that_were_sold() {
    for (first, second) in [(2, 3), (3, 2), (3, 3)] {
        let mut desk = desk();
        subscribe(&mut desk, START, 1, 1);
        let sold = |product: u32| vec![Credits::whole((product - 1) * 10)];
        assert_eq!(granted(&upgrade(&mut desk, NOW, 2, 1, first)), sold(first));
        assert_eq!(granted(&upgrade(&mut desk, NOW, 3, 1, second)), sold(second));
    }
}

#[test]
fn a_change_that_is_paid_late_never_leads_to_a_smaller_plan() {
    for (first, second, then) in [(3, 2, vec![]), (2, 3, vec!["plan_changed"]), (3, 3, vec![])] {
        let mut desk = desk();
        subscribe(&mut desk, START, 1, 1);
        upgrade(&mut desk, NOW, 2, 1, first);
        assert_eq!(events(&upgrade(&mut desk, NOW, 3, 1, second)), then, "{first}, then {second}");
    }
}

/// The money has come, so something is given for it.
#[test]
fn a_change_paid_after_the_end_still_grants_the_difference() {
    for ended in [true, false] {
        let mut desk = desk();
        subscribe(&mut desk, START, 1, 1);
        if ended {
            ask(&mut desk, NOW, SubscriptionCommand::Cancel { now: true, reason: None });
        }
        let late = upgrade(&mut desk, "2026-04-01T00:00:00Z", 2, 1, 3);
        assert_eq!((events(&late), granted(&late)), (vec![], vec![Credits::whole(20)]));
    }
}
