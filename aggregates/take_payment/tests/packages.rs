//! The same package bought again.

use chrono::TimeDelta;

use super::*;
use crate::product::Again;
use crate::reason::BadReason;

const DAY: &str = "2026-01-05T06:00:00Z";

fn nth(number: u128) -> OrderId {
    id(number, OrderId::from_uuid)
}

fn of(number: u128) -> UserPackageId {
    UserPackageId::of_order(nth(number))
}

fn terms(again: Again) -> PackageTerms {
    PackageTerms { duration_days: 10, daily_limit: Credits::whole(5), day: DayRule::Calendar, again }
}

fn days(count: i64) -> DateTime<Utc> {
    time(DAY) + TimeDelta::days(count)
}

struct Shop {
    desk: Desk,
    bought: u128,
}

/// Which package it was, and from which day to which it runs.
type Runs = Vec<(UserPackageId, i64, i64)>;

impl Shop {
    fn new() -> Self {
        let mut desk = Desk::new(ACCOUNT);
        let orders = (1..=9).map(nth).flat_map(|order| {
            let delivery = AggregateId::delivery(DeliveryId::of_order(order));
            [AggregateId::order(order), AggregateId::user_package(UserPackageId::of_order(order)), delivery]
        });
        for id in orders.chain([AggregateId::holdings(ACCOUNT)]) {
            desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
        }
        Self { desk, bought: 0 }
    }

    /// The next order, paid so many days after the first one.
    fn buy(mut self, at: i64, terms: PackageTerms) -> (Self, Vec<Recorded>) {
        self.bought += 1;
        let order = nth(self.bought);
        let place = PlaceOrder {
            number: "ORD20260105060000deadbeef".parse().unwrap(),
            product: ProductId::numbered(4),
            name: "10 days".to_owned(),
            kind: ProductKind::Package(terms),
            time_zone: DEFAULT_TIME_ZONE,
            price: yuan(3_000),
            provider: "alipay".to_owned(),
            expires_at: days(at) + TimeDelta::minutes(15),
        };
        self.desk.decide(days(at), &[Command::Order(order, OrderCommand::Place(place))]).unwrap();
        let pay = TakePayment { order, payment: payment("p-1", 3_000), license_key: None };
        let recorded = self.desk.decide_with(days(at), &pay).unwrap();
        (self, recorded)
    }

    fn with(self, at: i64, terms: PackageTerms) -> Self {
        self.buy(at, terms).0
    }

    fn ask(&mut self, at: i64, number: u128, command: UserPackageCommand) -> Result<Vec<Recorded>, Halt> {
        self.desk.decide(days(at), &[Command::UserPackage(of(number), command)])
    }

    fn take_back(&mut self, at: i64, number: u128, order: u128) -> Vec<String> {
        let command = UserPackageCommand::TakeBack { order: nth(order), reason: "refunded".to_owned() };
        names(&self.ask(at, number, command).unwrap())
    }

    fn runs(&self) -> Runs {
        let State::Holdings(holdings) = &self.desk.slot(&AggregateId::holdings(ACCOUNT)).unwrap().state else {
            panic!("not holdings")
        };
        let day = |at: DateTime<Utc>| (at - time(DAY)).num_days();
        let held = holdings.unended(ProductId::numbered(4), time("2020-01-01T00:00:00Z"));
        held.map(|held| (held.package, day(held.starts_at), day(held.ends_at))).collect()
    }
}

fn delivered(recorded: &[Recorded]) -> UserPackageId {
    let event = &recorded.last().unwrap().event;
    let Event::Order(OrderEvent::Fulfilled(Fulfilled { delivered: Delivered::UserPackage(package), .. })) = event
    else {
        panic!("{event:?}")
    };
    *package
}

#[test]
fn bought_again_a_package_is_extended() {
    let (shop, recorded) = Shop::new().with(0, terms(Again::Extend)).buy(3, terms(Again::Extend));
    let extended = ["order.paid", "user_package.extended", "holdings.package_moved", "delivery.requested"];
    assert_eq!(names(&recorded), [&extended[..], &["order.fulfilled"]].concat());
    assert_eq!(delivered(&recorded), of(1), "what was there is what was delivered");
    assert_eq!(shop.runs(), [(of(1), 0, 20)]);
}

#[test]
fn what_has_ended_is_not_extended_but_bought_anew() {
    let (shop, recorded) = Shop::new().with(0, terms(Again::Extend)).buy(10, terms(Again::Extend));
    assert_eq!(names(&recorded), WHOLE);
    assert_eq!(shop.runs(), [(of(2), 10, 20)]);
}

#[test]
fn on_other_terms_the_new_package_follows_the_old_one() {
    let other = [
        PackageTerms { daily_limit: Credits::whole(6), ..terms(Again::Extend) },
        PackageTerms { day: DayRule::Anniversary, ..terms(Again::Extend) },
    ];
    for other in other {
        let (shop, recorded) = Shop::new().with(0, terms(Again::Extend)).buy(3, other);
        assert_eq!(names(&recorded), WHOLE);
        assert_eq!(shop.runs(), [(of(1), 0, 10), (of(2), 10, 20)]);
        // The last one is extended, so that nothing overlaps; on the first one's terms another one follows.
        let shop = shop.with(4, other).with(4, terms(Again::Extend));
        assert_eq!(shop.runs(), [(of(1), 0, 10), (of(2), 10, 30), (of(4), 30, 40)]);
    }
}

#[test]
fn more_days_at_a_time_are_an_extension_too() {
    let more = PackageTerms { duration_days: 90, ..terms(Again::Extend) };
    assert_eq!(Shop::new().with(0, terms(Again::Extend)).with(1, more).runs(), [(of(1), 0, 100)]);
}

#[test]
fn packages_may_run_in_parallel() {
    let (shop, recorded) = Shop::new().with(0, terms(Again::Parallel)).buy(3, terms(Again::Parallel));
    assert_eq!(names(&recorded), WHOLE);
    assert_eq!(shop.runs(), [(of(1), 0, 10), (of(2), 3, 13)]);
    let mut desk = shop.desk;
    let charge =
        Charge { amount: Credits::whole(10), meter: None, reference: None, overdraft: crate::Overdraft::Refuse };
    assert_eq!(names(&desk.decide_with(days(3), &charge).unwrap()), ["user_package.consumed"; 2]);
}

#[test]
fn packages_may_queue_up() {
    let queue = terms(Again::Queue);
    let shop = Shop::new().with(0, queue).with(3, queue).with(3, queue);
    assert_eq!(shop.runs(), [(of(1), 0, 10), (of(2), 10, 20), (of(3), 20, 30)]);
    // What waits pays nothing yet.
    let mut desk = shop.desk;
    let charge =
        Charge { amount: Credits::whole(6), meter: None, reference: None, overdraft: crate::Overdraft::Refuse };
    let credits = AggregateId::credit_account(ACCOUNT);
    desk.put(credits, Slot { version: 0, state: State::empty(credits.kind) });
    assert!(matches!(desk.decide_with(days(3), &charge), Err(Halt::Refused(_))));
}

#[test]
fn another_product_runs_beside_it_whatever_it_says() {
    let mut shop = Shop::new().with(0, terms(Again::Queue));
    let activate = UserPackageCommand::Activate {
        product: ProductId::numbered(5),
        daily_limit: Credits::whole(5),
        duration_days: 10,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: None,
    };
    shop.ask(0, 9, activate).unwrap();
    assert_eq!(shop.with(1, terms(Again::Queue)).runs(), [(of(1), 0, 10), (of(2), 10, 20)]);
}

#[test]
fn what_would_end_beyond_all_time_is_neither_extended_nor_made_to_wait() {
    let ages =
        |again| PackageTerms { duration_days: 36_500, daily_limit: Credits::from_micros(1).unwrap(), ..terms(again) };
    for again in [Again::Extend, Again::Queue] {
        let mut shop = Shop::new();
        let start = time("9890-01-01T00:00:00Z");
        let activate = UserPackageCommand::Activate {
            product: ProductId::numbered(4),
            daily_limit: ages(again).daily_limit,
            duration_days: 36_500,
            time_zone: DEFAULT_TIME_ZONE,
            day: DayRule::Calendar,
            starts_at: Some(start),
        };
        shop.ask(0, 9, activate).unwrap();
        let shop = shop.with(0, ages(again));
        assert_eq!(shop.runs()[0], (of(1), 0, 36_500));
    }
}

#[test]
fn what_waits_moves_up_when_a_package_is_revoked() {
    let queue = terms(Again::Queue);
    let mut shop = Shop::new().with(0, queue).with(0, queue).with(0, queue);
    let moved = ["user_package.moved", "holdings.package_moved"];
    assert_eq!(
        shop.take_back(4, 1, 1),
        [&["user_package.revoked", "holdings.package_removed"], &moved[..], &moved[..]].concat()
    );
    assert_eq!(shop.runs(), [(of(2), 4, 14), (of(3), 14, 24)]);
    // Said again, nothing is left to do.
    assert_eq!(shop.take_back(4, 1, 1), [""; 0]);
    let revoke = UserPackageCommand::Revoke { reason: "refunded".to_owned() };
    assert_eq!(shop.ask(5, 2, revoke).unwrap().len(), 4);
    assert_eq!(shop.runs(), [(of(3), 5, 15)]);
}

#[test]
fn one_that_waits_and_is_revoked_leaves_its_place_to_those_behind_it() {
    let queue = terms(Again::Queue);
    let mut shop = Shop::new().with(0, queue).with(0, queue).with(0, queue);
    shop.take_back(4, 2, 2);
    assert_eq!(shop.runs(), [(of(1), 0, 10), (of(3), 10, 20)]);
    shop.take_back(4, 3, 3);
    assert_eq!(shop.runs(), [(of(1), 0, 10)], "behind the last one is nobody");
}

#[test]
fn what_waits_moves_up_when_a_package_is_shortened() {
    let other = PackageTerms { daily_limit: Credits::whole(6), ..terms(Again::Extend) };
    let mut shop = Shop::new().with(0, terms(Again::Extend)).with(1, terms(Again::Extend)).with(2, other);
    assert_eq!(shop.runs(), [(of(1), 0, 20), (of(3), 20, 30)]);
    assert_eq!(
        shop.take_back(3, 1, 2),
        ["user_package.shortened", "holdings.package_moved", "user_package.moved", "holdings.package_moved"]
    );
    assert_eq!(shop.runs(), [(of(1), 0, 10), (of(3), 10, 20)]);
    assert_eq!(shop.take_back(4, 1, 2), [""; 0]);
    shop.take_back(4, 1, 1);
    assert_eq!(shop.runs(), [(of(3), 4, 14)]);
}

#[test]
fn what_runs_beside_others_waits_for_none_of_them() {
    let mut shop =
        Shop::new().with(0, terms(Again::Parallel)).with(3, terms(Again::Parallel)).with(3, terms(Again::Queue));
    shop.take_back(4, 1, 1);
    assert_eq!(shop.runs(), [(of(2), 3, 13), (of(3), 13, 23)]);
}

#[test]
fn a_package_gives_back_only_what_its_own_orders_bought() {
    let mut shop =
        Shop::new().with(0, terms(Again::Extend)).with(1, terms(Again::Extend)).with(10, terms(Again::Parallel));
    let take_back = |order| UserPackageCommand::TakeBack { order: nth(order), reason: "refunded".to_owned() };
    for (package, order) in [(1, 3), (3, 1), (3, 2), (1, 9)] {
        let refused = Err(Halt::Refused(Refusal::UserPackage(UserPackageError::NotItsOrder)));
        assert_eq!(shop.ask(2, package, take_back(order)), refused, "{package} {order}");
    }
    let silent = UserPackageCommand::TakeBack { order: nth(1), reason: String::new() };
    assert_eq!(shop.ask(2, 1, silent), Err(Halt::Refused(UserPackageError::BadReason(BadReason).into())));
    let unbought = shop.ask(2, 9, take_back(9));
    assert_eq!(unbought, Err(Halt::Refused(UserPackageError::NotActivated.into())));
}

#[test]
fn a_package_that_holdings_had_forgotten_is_held_again_when_it_is_extended() {
    // A clock that was ahead said that it had ended; what pays must be found.
    let mut shop = Shop::new().with(0, terms(Again::Extend)).with(10, terms(Again::Parallel));
    assert_eq!(shop.runs(), [(of(2), 10, 20)]);
    let recorded = shop.ask(9, 1, UserPackageCommand::Extend { order: nth(8), days: 10 }).unwrap();
    assert_eq!(names(&recorded), ["user_package.extended", "holdings.package_added"]);
    // Both end at the same time, so the smaller id comes first.
    assert_eq!(shop.runs(), [(of(2), 10, 20), (of(1), 0, 20)]);
}
