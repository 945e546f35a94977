//! Every kind of product is delivered in one step with its payment, and by nothing else.

use super::*;
use crate::credit_account::CreditAccountEvent;
use crate::feature::Feature;
use crate::ids::{GrantId, LicenseId, SubscriptionId};
use crate::license::LicenseError;
use crate::product::{CreditPackTerms, LicenseTerms, Period, PlanChangeTerms, PlanTerms, UpgradePolicy};

fn plan() -> PlanTerms {
    PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(10),
        valid_days: Some(30),
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: 3,
    }
}

fn license() -> ProductKind {
    ProductKind::License(LicenseTerms { uses: 100, features: [Feature::EmailVerify].into_iter().collect() })
}

fn credit_pack(valid_days: Option<u32>) -> ProductKind {
    ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(10), valid_days })
}

fn plan_change() -> ProductKind {
    ProductKind::PlanChange(PlanChangeTerms {
        subscription: SubscriptionId::of_order(order()),
        plan: plan(),
        price: yuan(3_000),
        from: ProductId::numbered(3),
        credits: plan().credits,
    })
}

/// What it is, what the payment records between `paid` and `fulfilled`, and what was delivered.
fn kinds() -> [(ProductKind, &'static [&'static str], Delivered); 4] {
    [
        (license(), &["license.issued", "holdings.license_chosen"], Delivered::License(LicenseId::of_order(order()))),
        (credit_pack(None), &["credit_account.granted"], Delivered::Grant(GrantId::of_order(order()))),
        (
            ProductKind::Subscription(plan()),
            &["subscription.started", "holdings.subscription_added", "credit_account.granted"],
            Delivered::Subscription(SubscriptionId::of_order(order())),
        ),
        // Its subscription was never there: what the money would have granted is granted.
        (plan_change(), &["credit_account.granted"], Delivered::PlanChange(SubscriptionId::of_order(order()))),
    ]
}

fn desk_of(kind: ProductKind) -> Desk {
    let mut desk = Desk::new(ACCOUNT);
    let license = AggregateId::license(LicenseId::of_order(order()));
    let subscription = AggregateId::subscription(SubscriptionId::of_order(order()));
    for id in ids().into_iter().chain([license, subscription, AggregateId::credit_account(ACCOUNT)]) {
        desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
    }
    let Command::Order(order, OrderCommand::Place(place)) = place() else { panic!("it is placed") };
    let place = PlaceOrder { kind, ..place };
    desk.decide(time("2026-01-05T06:00:00Z"), &[Command::Order(order, OrderCommand::Place(place))]).unwrap();
    desk
}

fn with_key(payment: Payment) -> TakePayment {
    let key = LicenseKey { sealed: "c2VhbGVk".to_owned(), digest: "ab".repeat(32) };
    TakePayment { license_key: Some(key), ..pay(payment) }
}

#[test]
fn each_kind_is_delivered_when_it_is_paid() {
    for (kind, between, delivered) in kinds() {
        let recorded = desk_of(kind).decide_with(now(), &with_key(payment("p-1", 3_000))).unwrap();
        assert_eq!(names(&recorded), [&["order.paid"], between, &["order.fulfilled"]].concat());
        let Event::Order(OrderEvent::Fulfilled(fulfilled)) = &recorded.last().unwrap().event else {
            panic!("{recorded:?}")
        };
        assert_eq!(fulfilled.delivered, delivered);
    }
}

#[test]
fn each_kind_is_delivered_for_late_money_too() {
    let late = time("2026-01-09T00:00:00Z");
    for (kind, between, _) in kinds() {
        let mut desk = desk_of(kind);
        desk.decide(late, &[Command::Order(order(), OrderCommand::Expire)]).unwrap();
        let recorded = desk.decide_with(late, &with_key(payment("p-1", 3_000))).unwrap();
        assert_eq!(names(&recorded), [&["order.paid"], between, &["order.fulfilled"]].concat());
    }
}

#[test]
fn a_mismatch_delivers_nothing_of_any_kind() {
    for (kind, ..) in kinds() {
        let recorded = desk_of(kind).decide_with(now(), &with_key(payment("p-1", 2_999))).unwrap();
        assert_eq!(names(&recorded), ["order.payment_mismatched"]);
    }
}

#[test]
fn a_repeat_or_a_duplicate_delivers_nothing_of_any_kind() {
    for (kind, ..) in kinds() {
        let mut desk = desk_of(kind);
        desk.decide_with(now(), &with_key(payment("p-1", 3_000))).unwrap();
        assert_eq!(desk.decide_with(now(), &with_key(payment("p-1", 3_000))), Ok(vec![]));
        let recorded = desk.decide_with(now(), &with_key(payment("p-2", 3_000))).unwrap();
        assert_eq!(names(&recorded), ["order.payment_duplicated"]);
    }
}

#[test]
fn a_license_is_not_issued_without_a_key_and_then_it_is_not_paid_either() {
    let mut desk = desk_of(license());
    let refused = Err(Halt::Refused(LicenseError::NotSealed.into()));
    assert_eq!(desk.decide_with(now(), &pay(payment("p-1", 3_000))), refused);
    assert!(desk.decide_with(now(), &with_key(payment("p-1", 3_000))).is_ok());
}

#[test]
fn credits_are_valid_from_the_payment_and_for_ever_where_that_is_beyond_all_time() {
    let expiry = |at: &str, valid_days| {
        let mut desk = desk_of(credit_pack(valid_days));
        let recorded = desk.decide_with(time(at), &pay(payment("p-1", 3_000))).unwrap();
        recorded.iter().find_map(|recorded| match &recorded.event {
            Event::CreditAccount(CreditAccountEvent::Granted(granted)) => Some(granted.expires_at),
            _ => None,
        })
    };
    assert_eq!(expiry("2026-01-05T06:05:00Z", Some(30)), Some(Some(time("2026-02-04T06:05:00Z"))));
    assert_eq!(expiry("2026-01-05T06:05:00Z", None), Some(None));
    assert_eq!(expiry("9990-01-01T00:00:00Z", Some(36_500)), Some(None));
}
