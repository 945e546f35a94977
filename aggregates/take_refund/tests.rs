use chrono::{DateTime, Utc};

use super::*;
use crate::command::Command;
use crate::credit_account::{ClawedBack, CreditAccountEvent};
use crate::credits::Credits;
use crate::delivery::DeliveryStep;
use crate::desk::{Desk, Recorded, Slot};
use crate::event::Event;
use crate::feature::{Feature, Features};
use crate::holdings::Holdings;
use crate::ids::{DeliveryId, GrantId, LicenseId, ProductId, SubscriptionId, UserPackageId};
use crate::kinds::InState;
use crate::license::LicenseKey;
use crate::money::Currency;
use crate::order::{OrderCommand, OrderError, OrderStatus, Payment, PlaceOrder, RequestRefund};
use crate::product::{
    Again, CreditPackTerms, LicenseTerms, PackageTerms, Period, PlanChangeTerms, PlanTerms, ProductKind, UpgradePolicy,
};
use crate::refusal::Refusal;
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::take_payment::TakePayment;
use crate::user_package::{DEFAULT_TIME_ZONE, DayRule};

/// A customer's account, filled as decisions ask for it.
struct Scene {
    desk: Desk,
    orders: u128,
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:05:00Z")
}

fn yuan(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").unwrap())
}

fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros).unwrap()
}

fn package(again: Again) -> ProductKind {
    let daily_limit = Credits::whole(5);
    ProductKind::Package(PackageTerms { duration_days: 30, daily_limit, day: DayRule::Calendar, again })
}

fn pack(credits: Credits) -> ProductKind {
    ProductKind::CreditPack(CreditPackTerms { credits, valid_days: None })
}

fn plan(credits: u32) -> PlanTerms {
    PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(credits),
        valid_days: None,
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: 3,
    }
}

impl Scene {
    fn new() -> Self {
        Self { desk: Desk::new(ACCOUNT), orders: 0 }
    }

    fn ask(&mut self, command: Command) -> Result<Vec<Recorded>, Halt> {
        self.ask_at(now(), command)
    }

    fn ask_at(&mut self, at: DateTime<Utc>, command: Command) -> Result<Vec<Recorded>, Halt> {
        loop {
            match self.desk.decide(at, std::slice::from_ref(&command)) {
                Err(Halt::Missing(ids)) => {
                    ids.into_iter().for_each(|id| self.desk.put(id, Slot { version: 0, state: State::empty(id.kind) }));
                }
                answer => return answer,
            }
        }
    }

    /// Placed, paid with ¥30.00, and delivered.
    fn buy(&mut self, kind: ProductKind) -> OrderId {
        let order = self.place(kind);
        self.pay(order, "p", 3_000);
        order
    }

    fn place(&mut self, kind: ProductKind) -> OrderId {
        self.orders += 1;
        let order = id(100 + self.orders, OrderId::from_uuid);
        let place = PlaceOrder {
            number: format!("ORD20260105060000{:08x}", self.orders).parse().unwrap(),
            product: ProductId::numbered(4),
            name: "n".to_owned(),
            kind,
            time_zone: DEFAULT_TIME_ZONE,
            price: yuan(3_000),
            provider: "sandbox".to_owned(),
            expires_at: time("2026-01-05T06:15:00Z"),
        };
        self.ask(Command::Order(order, OrderCommand::Place(place))).unwrap();
        order
    }

    fn pay(&mut self, order: OrderId, payment_id: &str, minor: i64) {
        let (provider, payment_id) = ("sandbox".to_owned(), payment_id.to_owned());
        let payment = Payment { provider, payment_id, amount: yuan(minor), method: None };
        let license_key = Some(LicenseKey { sealed: "sealed".to_owned(), digest: "digest".to_owned() });
        self.ask(Command::TakePayment(TakePayment { order, payment, license_key })).unwrap();
    }

    fn request(&mut self, order: OrderId, refund: u128, minor: i64, revoke: Option<bool>) {
        let ask = RequestRefund {
            refund: id(refund, RefundId::from_uuid),
            provider: None,
            payment_id: None,
            amount: Some(yuan(minor)),
            reason: "误购".to_owned(),
            revoke,
        };
        self.ask(Command::Order(order, OrderCommand::RequestRefund(ask))).unwrap();
    }

    fn take(&mut self, order: OrderId, refund: u128, minor: i64) -> Result<Vec<Recorded>, Halt> {
        self.ask(Command::TakeRefund(gone(order, refund, minor)))
    }

    /// What happened, by name.
    fn taken(&mut self, order: OrderId, refund: u128, minor: i64) -> Vec<String> {
        names(&self.take(order, refund, minor).unwrap())
    }

    fn clawed_back(&mut self, order: OrderId, refund: u128, minor: i64) -> Option<ClawedBack> {
        self.take(order, refund, minor).unwrap().into_iter().find_map(|recorded| match recorded.event {
            Event::CreditAccount(CreditAccountEvent::ClawedBack(clawed_back)) => Some(clawed_back),
            _ => None,
        })
    }

    fn next_of_delivery(&self, order: OrderId) -> Option<DeliveryStep> {
        match &self.desk.slot(&AggregateId::delivery(DeliveryId::of_order(order))).unwrap().state {
            State::Delivery(delivery) => delivery.progress().unwrap().next,
            other => panic!("{other:?} is no delivery"),
        }
    }

    fn status(&self, order: OrderId) -> OrderStatus {
        match &self.desk.slot(&AggregateId::order(order)).unwrap().state {
            State::Order(order) => order.status().unwrap(),
            other => panic!("{other:?} is no order"),
        }
    }
}

fn gone(order: OrderId, refund: u128, minor: i64) -> TakeRefund {
    TakeRefund {
        order,
        refund: id(refund, RefundId::from_uuid),
        provider: Some("sandbox".to_owned()),
        payment_id: "p".to_owned(),
        amount: yuan(minor),
        provider_refund: Some(format!("r-{refund}")),
        reason: None,
    }
}

fn names(recorded: &[Recorded]) -> Vec<String> {
    recorded.iter().map(|recorded| format!("{}.{}", recorded.aggregate.kind, recorded.event.event_type())).collect()
}

#[test]
fn a_package_is_revoked_with_the_money() {
    let mut scene = Scene::new();
    let order = scene.buy(package(Again::Extend));
    scene.request(order, 1, 3_000, None);
    let taken = scene.taken(order, 1, 3_000);
    assert_eq!(taken, ["order.refunded", "delivery.withdrawn", "user_package.revoked", "holdings.package_removed"]);
    assert_eq!(scene.status(order), OrderStatus::Refunded);
}

#[test]
fn days_that_an_order_added_go_back_and_the_rest_stays() {
    let mut scene = Scene::new();
    let first = scene.buy(package(Again::Extend));
    let second = scene.buy(package(Again::Extend));
    let taken = scene.taken(second, 1, 3_000);
    assert_eq!(taken, ["order.refunded", "delivery.withdrawn", "user_package.shortened", "holdings.package_moved"]);
    assert_eq!(scene.status(first), OrderStatus::Fulfilled);
    assert_eq!((scene.next_of_delivery(first), scene.next_of_delivery(second)), (Some(DeliveryStep::CreateKey), None));
}

#[test]
fn packages_that_wait_move_up_when_the_one_before_goes_back() {
    let mut scene = Scene::new();
    let first = scene.buy(package(Again::Queue));
    let second = scene.buy(package(Again::Queue));
    let taken = scene.take(first, 1, 3_000).unwrap();
    let waiting = AggregateId::user_package(UserPackageId::of_order(second));
    let moved = taken.iter().find(|recorded| recorded.aggregate == waiting).map(|recorded| recorded.event.event_type());
    assert_eq!(moved, Some("moved"), "{:?}", names(&taken));
}

#[test]
fn a_license_is_revoked_with_the_money_and_is_not_the_current_one_any_more() {
    let mut scene = Scene::new();
    let features = [Feature::EmailVerify].into_iter().collect::<Features>();
    let order = scene.buy(ProductKind::License(LicenseTerms { uses: 100, features }));
    let taken = scene.taken(order, 1, 3_000);
    assert_eq!(taken, ["order.refunded", "license.revoked", "holdings.license_removed"]);
    let license = AggregateId::license(LicenseId::of_order(order));
    assert!(scene.desk.has(&license));
}

#[test]
fn the_license_bought_before_is_the_current_one_when_the_newest_is_given_back() {
    let mut scene = Scene::new();
    let features = [Feature::EmailVerify].into_iter().collect::<Features>();
    let [first, second] = [100, 500].map(|uses| scene.buy(ProductKind::License(LicenseTerms { uses, features })));
    scene.take(second, 1, 3_000).unwrap();
    let holdings = &scene.desk.slot(&AggregateId::holdings(ACCOUNT)).unwrap().state;
    let current = Holdings::of(holdings).unwrap().current_license().map(|chosen| chosen.license);
    assert_eq!(current, Some(LicenseId::of_order(first)));
}

#[test]
fn credits_are_clawed_back_with_the_money() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(Credits::whole(10)));
    let clawed_back = scene.clawed_back(order, 1, 3_000).unwrap();
    assert_eq!((clawed_back.amount, clawed_back.missing), (Credits::whole(10), Credits::ZERO));
}

/// ¥30.00 for ten credits that are valid for a day: four are spent, six expire.
#[test]
fn what_expired_of_them_is_not_owed() {
    let mut scene = Scene::new();
    let credits = Credits::whole(10);
    let order = scene.buy(ProductKind::CreditPack(CreditPackTerms { credits, valid_days: Some(1) }));
    let (amount, meter, reference) = (Credits::whole(4), None, None);
    scene.ask(Command::CreditAccount(CreditAccountCommand::Spend { amount, meter, reference })).unwrap();
    let expire = CreditAccountCommand::Expire { grant: GrantId::of_order(order) };
    scene.ask_at(time("2026-01-06T06:05:00Z"), Command::CreditAccount(expire)).unwrap();
    let clawed_back = scene.clawed_back(order, 1, 3_000).unwrap();
    assert_eq!((clawed_back.amount, clawed_back.missing, clawed_back.expired), (micros(0), amount, Credits::whole(6)));
}

#[test]
fn what_was_spent_of_them_is_owed() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(Credits::whole(10)));
    let spend = CreditAccountCommand::Spend { amount: Credits::whole(4), meter: None, reference: None };
    scene.ask(Command::CreditAccount(spend)).unwrap();
    let clawed_back = scene.clawed_back(order, 1, 3_000).unwrap();
    assert_eq!((clawed_back.amount, clawed_back.missing), (Credits::whole(6), Credits::whole(4)));
    assert_eq!(clawed_back.shortfall, Credits::whole(4));
}

/// floor(100 × 1000/3000) = 33, floor(100 × 2000/3000) = 66, then all: nothing is lost to rounding in the end.
#[test]
fn each_part_of_the_money_takes_the_credits_up_to_its_part() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(micros(100)));
    let parts: Vec<_> =
        (1..=3).map(|refund| scene.clawed_back(order, refund, 1_000).unwrap().amount.micros()).collect();
    assert_eq!(parts, [33, 33, 34]);
    assert_eq!(scene.status(order), OrderStatus::Refunded);
}

#[test]
fn a_part_of_the_money_that_is_worth_no_credits_takes_none() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(micros(1)));
    assert_eq!(scene.taken(order, 1, 1_000), ["order.refunded"]);
    assert_eq!(scene.taken(order, 2, 2_000), ["order.refunded", "credit_account.clawed_back"]);
}

#[test]
fn who_asks_for_a_part_can_have_all_of_it_taken_back() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(micros(100)));
    scene.request(order, 1, 1_000, Some(true));
    assert_eq!(scene.clawed_back(order, 1, 1_000).unwrap().amount, micros(100));
    assert_eq!(scene.taken(order, 2, 2_000), ["order.refunded"], "there is nothing more to take");
}

#[test]
fn a_part_of_the_money_leaves_a_package_or_license_alone_unless_it_revokes() {
    for revoke in [None, Some(true)] {
        let mut scene = Scene::new();
        let order = scene.buy(package(Again::Extend));
        scene.request(order, 1, 1_000, revoke);
        let taken = scene.taken(order, 1, 1_000);
        assert_eq!(taken.contains(&"user_package.revoked".to_owned()), revoke.is_some());
        assert_eq!(scene.status(order), OrderStatus::PartiallyRefunded);
        let rest = scene.taken(order, 2, 2_000);
        assert_eq!(rest.contains(&"user_package.revoked".to_owned()), revoke.is_none(), "once");
    }
}

#[test]
fn money_can_go_back_as_a_kindness() {
    let mut scene = Scene::new();
    let order = scene.buy(package(Again::Extend));
    scene.request(order, 1, 3_000, Some(false));
    assert_eq!(scene.taken(order, 1, 3_000), ["order.refunded"]);
    assert_eq!(scene.status(order), OrderStatus::Refunded);
}

#[test]
fn a_subscription_ends_with_the_money_and_its_credits_go_back() {
    let mut scene = Scene::new();
    let order = scene.buy(ProductKind::Subscription(plan(10)));
    let taken = scene.taken(order, 1, 3_000);
    let expected =
        ["order.refunded", "subscription.ended", "holdings.subscription_removed", "credit_account.clawed_back"];
    assert_eq!(taken, expected);
}

#[test]
fn a_refund_of_an_older_period_takes_its_credits_and_leaves_the_later_one() {
    let mut scene = Scene::new();
    let [first, second] = [(); 2].map(|()| scene.buy(ProductKind::Subscription(plan(10))));
    let later = time("2026-02-05T06:05:00Z");
    let older = scene.ask_at(later, Command::TakeRefund(gone(first, 1, 3_000))).unwrap();
    assert_eq!(names(&older), ["order.refunded", "credit_account.clawed_back"]);
    let newest = scene.ask_at(later, Command::TakeRefund(gone(second, 2, 3_000))).unwrap();
    assert!(names(&newest).contains(&"subscription.ended".to_owned()));
}

#[test]
fn a_part_of_a_subscriptions_money_takes_credits_alone() {
    let mut scene = Scene::new();
    let order = scene.buy(ProductKind::Subscription(plan(9)));
    assert_eq!(scene.clawed_back(order, 1, 1_000).unwrap().amount, Credits::whole(3));
}

#[test]
fn of_two_changes_that_were_both_paid_each_takes_back_its_own_difference() {
    for refunded_first in [0, 1] {
        let mut scene = Scene::new();
        let subscription = SubscriptionId::of_order(scene.buy(ProductKind::Subscription(plan(10))));
        let changes = [25, 40].map(|credits| {
            let (from, sold) = (ProductId::numbered(4), Credits::whole(credits - 10));
            let change = PlanChangeTerms { subscription, plan: plan(credits), price: yuan(6_000), from, credits: sold };
            (scene.buy(ProductKind::PlanChange(change)), sold)
        });
        for (refund, which) in [(1, refunded_first), (2, 1 - refunded_first)] {
            let (order, sold) = changes[which];
            let clawed_back = scene.clawed_back(order, refund, 3_000).unwrap();
            assert_eq!((clawed_back.order, clawed_back.amount, clawed_back.missing), (order, sold, Credits::ZERO));
        }
    }
}

#[test]
fn a_change_of_plan_is_undone_and_only_the_difference_goes_back() {
    let mut scene = Scene::new();
    let first = scene.buy(ProductKind::Subscription(plan(10)));
    let change = PlanChangeTerms {
        subscription: SubscriptionId::of_order(first),
        plan: plan(25),
        price: yuan(6_000),
        from: ProductId::numbered(4),
        credits: Credits::whole(15),
    };
    let order = scene.buy(ProductKind::PlanChange(change));
    let taken = scene.take(order, 1, 3_000).unwrap();
    assert_eq!(names(&taken), ["order.refunded", "subscription.plan_changed", "credit_account.clawed_back"]);
    let Event::CreditAccount(CreditAccountEvent::ClawedBack(clawed_back)) = &taken[2].event else {
        panic!("not clawed back")
    };
    assert_eq!(clawed_back.amount, Credits::whole(15));
}

#[test]
fn the_same_news_again_changes_nothing() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(Credits::whole(10)));
    scene.take(order, 1, 1_000).unwrap();
    assert_eq!(scene.take(order, 1, 1_000), Ok(vec![]));
    // Under another number, and by the name that the provider has for it.
    let again = TakeRefund { refund: id(9, RefundId::from_uuid), ..gone(order, 1, 1_000) };
    assert_eq!(scene.ask(Command::TakeRefund(again)), Ok(vec![]));
}

#[test]
fn more_than_was_paid_never_goes_back() {
    let mut scene = Scene::new();
    let order = scene.buy(pack(Credits::whole(10)));
    scene.take(order, 1, 2_000).unwrap();
    let refused = Refusal::Order(OrderError::RefundTooMuch { left: yuan(1_000) });
    assert_eq!(scene.take(order, 2, 1_001), Err(Halt::Refused(refused)));
}

#[test]
fn a_duplicate_goes_back_and_what_was_bought_stays() {
    let mut scene = Scene::new();
    let order = scene.buy(package(Again::Extend));
    scene.pay(order, "p-2", 3_000);
    let back = TakeRefund { payment_id: "p-2".to_owned(), ..gone(order, 1, 3_000) };
    assert_eq!(names(&scene.ask(Command::TakeRefund(back)).unwrap()), ["order.refunded"]);
    assert_eq!(scene.status(order), OrderStatus::Fulfilled);
}

#[test]
fn who_asked_says_why_and_otherwise_the_provider_does() {
    for (asked, said, why) in [
        (true, Some("chargeback"), "误购"),
        (false, Some("chargeback\n"), "chargeback"),
        (false, None, "the money went back"),
    ] {
        let mut scene = Scene::new();
        let order = scene.buy(package(Again::Extend));
        if asked {
            scene.request(order, 1, 3_000, None);
        }
        let back = TakeRefund { reason: said.map(str::to_owned), ..gone(order, 1, 3_000) };
        let taken = scene.ask(Command::TakeRefund(back)).unwrap();
        let Event::UserPackage(crate::UserPackageEvent::Revoked(revoked)) = &taken[2].event else {
            panic!("not revoked")
        };
        assert_eq!(revoked.reason, why);
    }
}

#[test]
fn money_of_an_order_that_does_not_exist_does_not_go_back() {
    let refused = Err(Halt::Refused(Refusal::Order(OrderError::NotPlaced)));
    assert_eq!(Scene::new().take(id(1, OrderId::from_uuid), 1, 1), refused);
}
