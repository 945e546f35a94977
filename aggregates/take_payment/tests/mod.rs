mod kinds;
mod packages;
mod plans;

use chrono::{DateTime, Utc};

use super::*;
use crate::charge::Charge;
use crate::command::Command;
use crate::credits::Credits;
use crate::delivery::{DeliveryEvent, Requested};
use crate::desk::{Desk, Recorded, Slot};
use crate::event::Event;
use crate::holdings::{HoldingsEvent, PackageAdded};
use crate::ids::ProductId;
use crate::ids::{DeliveryId, UserPackageId};
use crate::money::{Currency, Money};
use crate::order::Delivered;
use crate::order::{Fulfilled, OrderCommand, OrderError, OrderEvent, Paid, PlaceOrder};
use crate::product::{PackageTerms, ProductKind};
use crate::refusal::Refusal;
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::user_package::UserPackageCommand;
use crate::user_package::{Activated, DEFAULT_TIME_ZONE, DayRule, UserPackageError, UserPackageEvent};

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:05:00Z")
}

fn order() -> OrderId {
    id(1, OrderId::from_uuid)
}

fn package() -> UserPackageId {
    UserPackageId::of_order(order())
}

/// All that a purchase touches.
fn ids() -> [AggregateId; 4] {
    [
        AggregateId::order(order()),
        AggregateId::user_package(package()),
        AggregateId::holdings(ACCOUNT),
        AggregateId::delivery(DeliveryId::of_order(order())),
    ]
}

fn yuan(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").unwrap())
}

fn place() -> Command {
    let terms = PackageTerms {
        duration_days: 30,
        daily_limit: Credits::whole(5),
        day: DayRule::Calendar,
        again: crate::Again::Extend,
    };
    let place = PlaceOrder {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: ProductId::numbered(4),
        name: "月卡".to_owned(),
        kind: ProductKind::Package(terms),
        time_zone: DEFAULT_TIME_ZONE,
        price: yuan(3_000),
        provider: "alipay".to_owned(),
        expires_at: time("2026-01-05T06:15:00Z"),
    };
    Command::Order(order(), OrderCommand::Place(place))
}

/// A desk with an order that waits for ¥30.00.
fn desk() -> Desk {
    let mut desk = Desk::new(ACCOUNT);
    for id in ids() {
        desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
    }
    desk.decide(time("2026-01-05T06:00:00Z"), &[place()]).unwrap();
    desk
}

fn slots(desk: &Desk) -> Vec<Slot> {
    ids().iter().map(|id| desk.slot(id).unwrap().clone()).collect()
}

fn payment(payment_id: &str, minor: i64) -> Payment {
    let (provider, payment_id) = ("alipay".to_owned(), payment_id.to_owned());
    Payment { provider, payment_id, amount: yuan(minor), method: None }
}

fn pay(payment: Payment) -> TakePayment {
    TakePayment { order: order(), payment, license_key: None }
}

fn names(recorded: &[Recorded]) -> Vec<String> {
    recorded.iter().map(|recorded| format!("{}.{}", recorded.aggregate.kind, recorded.event.event_type())).collect()
}

const WHOLE: [&str; 5] =
    ["order.paid", "user_package.activated", "holdings.package_added", "delivery.requested", "order.fulfilled"];

#[test]
fn paying_and_delivering_are_one_step() {
    let mut desk = desk();
    let recorded = desk.decide_with(now(), &pay(payment("p-1", 3_000))).unwrap();
    let (at, ends_at, product) = (now(), time("2026-02-04T06:05:00Z"), ProductId::numbered(4));
    let delivered = Delivered::UserPackage(package());
    let expected: [Event; 5] = [
        OrderEvent::Paid(Paid { payment: payment("p-1", 3_000), late: false, at }).into(),
        UserPackageEvent::Activated(Activated {
            product,
            daily_limit: Credits::whole(5),
            duration_days: 30,
            time_zone: DEFAULT_TIME_ZONE,
            day: DayRule::Calendar,
            starts_at: at,
            ends_at,
            left: Credits::whole(150),
        })
        .into(),
        HoldingsEvent::PackageAdded(PackageAdded { package: package(), product, starts_at: at, ends_at, at }).into(),
        DeliveryEvent::Requested(Requested { order: order(), user_package: package(), at }).into(),
        OrderEvent::Fulfilled(Fulfilled { delivered, credits: None, at }).into(),
    ];
    assert_eq!(recorded.into_iter().map(|recorded| recorded.event).collect::<Vec<_>>(), expected);
}

#[test]
fn what_was_bought_pays_for_the_next_charge() {
    let mut desk = desk();
    desk.decide_with(now(), &pay(payment("p-1", 3_000))).unwrap();
    let charge =
        Charge { amount: Credits::whole(5), meter: None, reference: None, overdraft: crate::Overdraft::Refuse };
    assert_eq!(names(&desk.decide_with(now(), &charge).unwrap()), ["user_package.consumed"]);
}

#[test]
fn late_money_is_delivered_too() {
    let late = time("2026-01-09T00:00:00Z");
    let fail = OrderCommand::Fail { reason: "declined".to_owned() };
    for end in [OrderCommand::Expire, OrderCommand::Cancel, fail] {
        let mut desk = desk();
        desk.decide(late, &[Command::Order(order(), end)]).unwrap();
        let recorded = desk.decide_with(late, &pay(payment("p-1", 3_000))).unwrap();
        assert_eq!(names(&recorded), WHOLE);
        assert!(matches!(&recorded[0].event, Event::Order(OrderEvent::Paid(Paid { late: true, .. }))));
        let State::UserPackage(package) = &desk.slot(&AggregateId::user_package(package())).unwrap().state else {
            panic!("not a package")
        };
        assert_eq!(package.run().unwrap().1, late, "it runs from when it was paid");
    }
}

#[test]
fn the_same_payment_again_delivers_nothing_again() {
    let mut desk = desk();
    desk.decide_with(now(), &pay(payment("p-1", 3_000))).unwrap();
    let before = slots(&desk);
    for at in [now(), time("2026-03-01T00:00:00Z")] {
        assert_eq!(desk.decide_with(at, &pay(payment("p-1", 3_000))), Ok(vec![]));
        assert_eq!(slots(&desk), before);
    }
}

#[test]
fn a_mismatch_delivers_nothing() {
    let recorded = desk().decide_with(now(), &pay(payment("p-1", 2_999))).unwrap();
    assert_eq!(names(&recorded), ["order.payment_mismatched"]);
}

#[test]
fn a_duplicate_delivers_nothing() {
    let mut desk = desk();
    desk.decide_with(now(), &pay(payment("p-1", 3_000))).unwrap();
    let recorded = desk.decide_with(now(), &pay(payment("p-2", 3_000))).unwrap();
    assert_eq!(names(&recorded), ["order.payment_duplicated"]);
}

/// Whatever the reason: an order whose package cannot be had is not paid either.
#[test]
fn if_it_cannot_be_delivered_the_money_is_not_taken() {
    let mut desk = desk();
    let other_terms = UserPackageCommand::Activate {
        product: ProductId::numbered(9),
        daily_limit: Credits::whole(1),
        duration_days: 1,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: None,
    };
    desk.decide(now(), &[Command::UserPackage(package(), other_terms)]).unwrap();
    let before = slots(&desk);
    let refused = Err(Halt::Refused(Refusal::UserPackage(UserPackageError::TermsDiffer)));
    assert_eq!(desk.decide_with(now(), &pay(payment("p-1", 3_000))), refused);
    assert_eq!(slots(&desk), before);
}

#[test]
fn the_order_of_another_account_cannot_be_paid() {
    let mut desk = Desk::new(ACCOUNT);
    for id in ids() {
        desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
    }
    let refused = Err(Halt::Refused(Refusal::Order(OrderError::NotPlaced)));
    assert_eq!(desk.decide_with(now(), &pay(payment("p-1", 3_000))), refused);
}

#[test]
fn all_that_a_package_needs_is_asked_for_together_and_also_by_an_order_that_is_there() {
    let mut desk = Desk::new(ACCOUNT);
    let (order, rest) = (ids()[0], &ids()[1..]);
    let Err(Halt::Missing(missing)) = desk.decide_with(now(), &pay(payment("p-1", 3_000))) else {
        panic!("nothing is there");
    };
    assert_eq!(missing.iter().collect::<std::collections::BTreeSet<_>>(), ids().iter().collect());
    desk.put(order, Slot { version: 0, state: State::empty(order.kind) });
    desk.decide(now(), &[place()]).unwrap();
    assert_eq!(desk.decide_with(now(), &pay(payment("p-1", 3_000))), Err(Halt::Missing(rest.to_vec())));
}

#[test]
fn a_payment_of_another_amount_that_is_accepted_delivers() {
    let mut desk = desk();
    desk.decide_with(now(), &pay(payment("odd", 2_999))).unwrap();
    let accept = AcceptReview {
        order: order(),
        provider: "alipay".to_owned(),
        payment_id: "odd".to_owned(),
        reason: "one fen short is fine".to_owned(),
        license_key: None,
    };
    let recorded = desk.decide_with(now(), &accept).unwrap();
    assert_eq!(names(&recorded)[0], "order.review_closed");
    assert_eq!(names(&recorded)[1..], WHOLE);
    assert_eq!(desk.decide_with(now(), &accept), Ok(vec![]), "said again it delivers nothing again");
    let other = AcceptReview { payment_id: "other".to_owned(), ..accept };
    let refused = Err(Halt::Refused(Refusal::Order(OrderError::NoSuchPayment)));
    assert_eq!(desk.decide_with(now(), &other), refused);
}
