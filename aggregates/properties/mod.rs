//! Promises that must hold whatever is asked, in whatever order, with a clock that also goes back.
//!
//! Random units of work run on a desk. After each: the states are the fold of the stored JSON of what was recorded;
//! nothing was lost or made up; no day and no package paid more than it may; what was set aside was charged or came back,
//! once; nobody both owes and owns; what was paid for was delivered, once; a refusal changed nothing. What must add up is
//! kept in `books.rs` and beside it, apart from the code under test.

mod books;
mod credits;
mod holds;
mod refunds;
mod subscriptions;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use self::books::Books;
use crate::charge::{Charge, Overdraft};
use crate::command::Command;
use crate::credit_account::{CreditAccount, CreditAccountCommand, CreditAccountEvent, GrantSource};
use crate::credits::Credits;
use crate::desk::{Desk, Halt, Slot};
use crate::event::Event;
use crate::hold::{Party, Release, ReleaseReason, Reserve, Settle};
use crate::ids::{AggregateId, DeliveryId, GrantId, HoldId, OrderId, ProductId, RefundId, UserPackageId};
use crate::money::{Currency, Money};
use crate::order::{OrderCommand, Payment, PlaceOrder, RequestRefund};
use crate::product::{Again, PackageTerms, ProductKind};
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::take_payment::{AcceptReview, TakePayment};
use crate::take_refund::TakeRefund;
use crate::user_package::{DayRule, UserPackageCommand, UserPackageEvent};

const PACKAGES: u128 = 3;
const ORDERS: u128 = 2;
const HOLDS: u128 = 4;

fn package() -> impl Strategy<Value = UserPackageId> {
    (1..=PACKAGES).prop_map(|number| id(number, UserPackageId::from_uuid))
}

/// Small amounts collide with limits; some are zero, a few are huge.
fn amount() -> impl Strategy<Value = Credits> {
    prop_oneof![20 => 0..12_i64, 1 => i64::MAX - 9..=i64::MAX].prop_map(|micros| Credits::from_micros(micros).unwrap())
}

fn zone() -> impl Strategy<Value = Tz> {
    let zones = [Tz::Asia__Shanghai, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::America__St_Johns, Tz::UTC];
    prop::sample::select(zones.to_vec())
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    // Around the end of summer time in 2010, when St. John's had the same date twice.
    (0..9 * 24 * 12_i64).prop_map(|step| time("2010-11-01T00:00:00Z") + TimeDelta::minutes(step * 5))
}

fn command() -> impl Strategy<Value = Command> {
    let rule = prop::sample::select(&[DayRule::Calendar, DayRule::Anniversary][..]);
    prop_oneof![
        2 => (1..20_u128, amount(), prop::option::of(moment())).prop_map(|(number, amount, expires_at)| {
            let grant = id(number, GrantId::from_uuid);
            let source = GrantSource::Promotion;
            Command::CreditAccount(CreditAccountCommand::Grant { grant, source, amount, expires_at, reason: None })
        }),
        2 => amount().prop_map(|amount| {
            Command::CreditAccount(CreditAccountCommand::Spend { amount, meter: None, reference: None })
        }),
        1 => (package(), amount(), 1..4_u32, zone(), rule, prop::option::of(moment())).prop_map(|(package, daily_limit, duration_days, time_zone, day, starts_at)| {
            let product = id(1, ProductId::from_uuid);
            let activate = UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day, starts_at };
            Command::UserPackage(package, activate)
        }),
        2 => (package(), amount()).prop_map(|(package, amount)| {
            Command::UserPackage(package, UserPackageCommand::Consume { amount, meter: None, reference: None })
        }),
        1 => amount().prop_map(|amount| {
            Command::CreditAccount(CreditAccountCommand::Deduct { amount, reason: "by mistake".to_owned() })
        }),
        1 => package().prop_map(|package| Command::UserPackage(package, UserPackageCommand::Expire)),
        3 => package_command(),
        5 => amount().prop_map(|amount| Command::Charge(Charge { amount, meter: None, reference: None, overdraft: Overdraft::Refuse })),
        3 => order_command(),
        6 => of_debts_and_holds(),
    ]
}

fn hold() -> impl Strategy<Value = HoldId> {
    (1..=HOLDS).prop_map(|number| id(200 + number, HoldId::from_uuid))
}

fn party() -> impl Strategy<Value = Party> {
    prop::sample::select(&[Party::Account, Party::BackEnd, Party::BackEnd][..])
}

fn of_debts_and_holds() -> impl Strategy<Value = Command> {
    let why = prop::sample::select(
        &[ReleaseReason::Asked(Party::Account), ReleaseReason::Asked(Party::BackEnd), ReleaseReason::TimedOut][..],
    );
    prop_oneof![
        4 => (hold(), amount(), party(), moment()).prop_map(|(hold, amount, by, expires_at)| {
            Command::Reserve(Reserve { hold, amount, by, expires_at, meter: None, reference: None })
        }),
        3 => (hold(), amount(), party()).prop_map(|(hold, amount, by)| Command::Settle(Settle { hold, amount, by })),
        2 => (hold(), why).prop_map(|(hold, why)| Command::Release(Release { hold, why })),
        2 => (1..20_u128).prop_map(|number| {
            Command::CreditAccount(CreditAccountCommand::Expire { grant: id(number, GrantId::from_uuid) })
        }),
        1 => (order(), 1..9_u128, amount()).prop_map(|(order, number, amount)| {
            let refund = id(number, RefundId::from_uuid);
            Command::CreditAccount(CreditAccountCommand::ClawBack { order, refund, amount })
        }),
        1 => amount().prop_map(|amount| {
            Command::Charge(Charge { amount, meter: None, reference: None, overdraft: Overdraft::Allow })
        }),
    ]
}

/// Of packages that were bought, and of those that were activated by hand.
fn package_command() -> impl Strategy<Value = Command> {
    let any = || prop_oneof![package(), order().prop_map(UserPackageId::of_order)];
    // One in three is not the package's own.
    let any_order = || (100..=100 + ORDERS + 1).prop_map(|number| id(number, OrderId::from_uuid));
    let reason = || "given back".to_owned();
    let command = prop_oneof![
        2 => (any_order(), 0..4_u32).prop_map(|(order, days)| UserPackageCommand::Extend { order, days }),
        2 => any_order().prop_map(move |order| UserPackageCommand::TakeBack { order, reason: reason() }),
        1 => moment().prop_map(|starts_at| UserPackageCommand::Move { starts_at }),
        1 => Just(UserPackageCommand::Revoke { reason: reason() }),
    ];
    (any(), command).prop_map(|(package, command)| Command::UserPackage(package, command))
}

fn again() -> impl Strategy<Value = Again> {
    prop::sample::select(&[Again::Extend, Again::Parallel, Again::Queue][..])
}

fn order() -> impl Strategy<Value = OrderId> {
    (1..=ORDERS).prop_map(|number| id(100 + number, OrderId::from_uuid))
}

fn yuan(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").unwrap())
}

fn order_command() -> impl Strategy<Value = Command> {
    let place = (order(), moment(), 1..9_i64, again()).prop_map(|(order, expires_at, daily_limit, again)| {
        let terms = PackageTerms {
            duration_days: 2,
            daily_limit: Credits::from_micros(daily_limit).unwrap(),
            day: DayRule::Calendar,
            again,
        };
        let place = PlaceOrder {
            number: "ORD20260105060000deadbeef".parse().unwrap(),
            product: ProductId::numbered(1),
            name: "2 days".to_owned(),
            kind: ProductKind::Package(terms),
            time_zone: Tz::Asia__Shanghai,
            price: yuan(2),
            provider: "one".to_owned(),
            expires_at,
        };
        Command::Order(order, OrderCommand::Place(place))
    });
    let pay = (order(), 0..4_u32, 1..4_i64, prop::sample::select(&["one", "other"][..])).prop_map(
        |(order, payment_id, amount, provider)| {
            let (provider, payment_id) = (provider.to_owned(), payment_id.to_string());
            let payment = Payment { provider, payment_id, amount: yuan(amount), method: None };
            Command::TakePayment(TakePayment { order, payment, license_key: None })
        },
    );
    prop_oneof![
        3 => place,
        5 => pay,
        1 => order().prop_map(|order| Command::Order(order, OrderCommand::Expire)),
        1 => order().prop_map(|order| Command::Order(order, OrderCommand::Cancel)),
        1 => order().prop_map(|order| Command::Order(order, OrderCommand::Fail { reason: "declined".to_owned() })),
        6 => refund_command(),
        1 => (order(), review()).prop_map(|(order, (provider, payment_id))| {
            let reason = "by hand".to_owned();
            Command::AcceptReview(AcceptReview { order, provider, payment_id, reason, license_key: None })
        }),
    ]
}

fn review() -> impl Strategy<Value = (String, String)> {
    (prop::sample::select(&["one", "other"][..]), 0..4_u32)
        .prop_map(|(provider, payment_id)| (provider.to_owned(), payment_id.to_string()))
}

fn refund_command() -> impl Strategy<Value = Command> {
    let refund = || (1..6_u128).prop_map(|number| id(number, RefundId::from_uuid));
    let request = (order(), refund(), prop::option::of(review()), prop::option::of(0..4_i64), any::<Option<bool>>())
        .prop_map(|(order, refund, payment, amount, revoke)| {
            let (provider, payment_id) = payment.unzip();
            let (amount, reason) = (amount.map(yuan), "by mistake".to_owned());
            let ask = RequestRefund { refund, provider, payment_id, amount, reason, revoke };
            Command::Order(order, OrderCommand::RequestRefund(ask))
        });
    let gone = (order(), refund(), review(), 0..4_i64, prop::option::of(0..3_u32)).prop_map(
        |(order, refund, (provider, payment_id), amount, name)| {
            let (amount, provider_refund) = (yuan(amount), name.map(|name| name.to_string()));
            let provider = Some(provider);
            Command::TakeRefund(TakeRefund {
                order,
                refund,
                provider,
                payment_id,
                amount,
                provider_refund,
                reason: None,
            })
        },
    );
    let news = (order(), refund(), 0..5_u32).prop_map(|(order, refund, attempt)| {
        let reason = || "so they say".to_owned();
        Command::Order(
            order,
            match attempt {
                0 => OrderCommand::RefundRefused { refund, reason: reason() },
                1 => OrderCommand::GiveUpRefund { refund },
                2 => OrderCommand::RetryRefund { refund },
                attempt => OrderCommand::RefundFailed { refund, attempt, reason: reason() },
            },
        )
    });
    let dismiss = (order(), review()).prop_map(|(order, (provider, payment_id))| {
        let reason = "settled elsewhere".to_owned();
        Command::Order(order, OrderCommand::DismissReview { provider, payment_id, reason })
    });
    prop_oneof![3 => request, 4 => gone, 2 => news, 1 => dismiss]
}

fn packages() -> impl Iterator<Item = UserPackageId> {
    let bought = (1..=ORDERS).map(|number| UserPackageId::of_order(id(100 + number, OrderId::from_uuid)));
    (1..=PACKAGES).map(|number| id(number, UserPackageId::from_uuid)).chain(bought)
}

fn ids() -> Vec<AggregateId> {
    let orders = (1..=ORDERS).map(|number| id(100 + number, OrderId::from_uuid));
    let of_orders =
        orders.flat_map(|order| [AggregateId::order(order), AggregateId::delivery(DeliveryId::of_order(order))]);
    let singles = [AggregateId::credit_account(ACCOUNT), AggregateId::holdings(ACCOUNT)];
    let holds = (1..=HOLDS).map(|number| AggregateId::hold(id(200 + number, HoldId::from_uuid)));
    packages().map(AggregateId::user_package).chain(of_orders).chain(holds).chain(singles).collect()
}

fn fresh(id: AggregateId) -> Slot {
    Slot { version: 0, state: State::empty(id.kind) }
}

fn slots(desk: &Desk) -> BTreeMap<AggregateId, Slot> {
    ids().into_iter().map(|id| (id, desk.slot(&id).unwrap().clone())).collect()
}

fn stored_and_read(event: &Event) -> Event {
    let payload = event.payload().unwrap();
    Event::from_parts(event.kind(), event.event_type(), event.schema_version(), &payload).unwrap()
}

fn micros(credits: Credits) -> i128 {
    i128::from(credits.micros())
}

/// What a command takes if it is not refused.
fn amount_asked(command: &Command) -> i128 {
    match command {
        Command::Charge(charge) => micros(charge.amount),
        Command::CreditAccount(
            CreditAccountCommand::Spend { amount, .. } | CreditAccountCommand::Deduct { amount, .. },
        )
        | Command::UserPackage(_, UserPackageCommand::Consume { amount, .. }) => micros(*amount),
        _ => 0,
    }
}

fn amount_paid(event: &Event) -> i128 {
    match event {
        Event::CreditAccount(CreditAccountEvent::Spent(spent)) => micros(spent.amount),
        Event::CreditAccount(CreditAccountEvent::Deducted(deducted)) => micros(deducted.amount),
        Event::CreditAccount(CreditAccountEvent::Overdrawn(overdrawn)) => micros(overdrawn.amount),
        Event::UserPackage(UserPackageEvent::Consumed(consumed)) => micros(consumed.amount),
        _ => 0,
    }
}

fn credit_account(desk: &Desk) -> CreditAccount {
    match &desk.slot(&AggregateId::credit_account(ACCOUNT)).unwrap().state {
        State::CreditAccount(state) => state.clone(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_made_up_or_paid_twice(
        units in prop::collection::vec((moment(), prop::collection::vec(command(), 1..4)), 1..60),
    ) {
        let mut desk = Desk::new(ACCOUNT);
        ids().into_iter().for_each(|id| desk.put(id, fresh(id)));
        let mut folded = slots(&desk);
        let mut books = Books::default();
        let mut latest = DateTime::<Utc>::MIN_UTC;

        for (at, commands) in units {
            latest = latest.max(at);
            let before = slots(&desk);
            let recorded = match desk.decide(at, &commands) {
                Ok(recorded) => recorded,
                Err(Halt::Refused(_)) => {
                    prop_assert_eq!(slots(&desk), before, "a refusal changes nothing");
                    continue;
                }
                Err(Halt::Missing(ids)) => return Err(TestCaseError::fail(format!("{ids:?} were on the desk"))),
            };

            let asked: i128 = commands.iter().map(amount_asked).sum();
            prop_assert_eq!(recorded.iter().map(|recorded| amount_paid(&recorded.event)).sum::<i128>(), asked);
            for recorded in &recorded {
                let slot = folded.get_mut(&recorded.aggregate).unwrap();
                slot.state.apply(&stored_and_read(&recorded.event)).unwrap();
                slot.version += 1;
                prop_assert_eq!(slot.version, recorded.version);
                books.enter(at, recorded)?;
            }
            books.check_orders()?;
            books.check_credits(&credit_account(&desk), latest)?;
            prop_assert_eq!(&slots(&desk), &folded, "a state is the fold of its events");
            for slot in folded.values() {
                let snapshot = State::from_json(slot.state.kind(), &slot.state.to_json().unwrap()).unwrap();
                prop_assert_eq!(&snapshot, &slot.state, "a state survives its snapshot");
            }
        }
    }

    #[test]
    fn a_charge_is_one_event_per_aggregate_and_takes_credits_last(
        at in moment(),
        setup in prop::collection::vec(command(), 0..30),
        amount in amount(),
    ) {
        let mut desk = Desk::new(ACCOUNT);
        ids().into_iter().for_each(|id| desk.put(id, fresh(id)));
        for command in &setup {
            // Whatever of it can be is done.
            drop(desk.decide(at, std::slice::from_ref(command)));
        }
        let left_in_packages = |desk: &Desk| {
            let left = packages().map(|package| match &desk.slot(&AggregateId::user_package(package)).unwrap().state {
                State::UserPackage(state) => micros(state.left_today(at)),
                other => panic!("{other:?}"),
            });
            left.sum::<i128>()
        };
        let available = micros(credit_account(&desk).available(at));
        let of_packages = left_in_packages(&desk);

        let charge = Charge { amount, meter: None, reference: None, overdraft: Overdraft::Refuse };
        let recorded = desk.decide_with(at, &charge);
        prop_assert_eq!(recorded.is_ok(), !amount.is_zero() && micros(amount) <= of_packages + available);
        if let Ok(recorded) = recorded {
            let mut seen: Vec<_> = recorded.iter().map(|recorded| recorded.aggregate).collect();
            seen.sort();
            seen.dedup();
            prop_assert_eq!(seen.len(), recorded.len());
            prop_assert_eq!(left_in_packages(&desk), (of_packages - micros(amount)).max(0));
        }
    }
}
