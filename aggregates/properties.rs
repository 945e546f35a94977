//! Promises that must hold whatever is asked, in whatever order, with a clock that also goes back.
//!
//! Random units of work run on a desk. After each: the states are the fold of the stored JSON of what was recorded;
//! nothing was lost or made up; no day and no package paid more than it may; a refusal changed nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use crate::charge::Charge;
use crate::command::Command;
use crate::credit_account::{CreditAccountCommand, CreditAccountEvent, GrantSource};
use crate::credits::Credits;
use crate::desk::{Desk, Halt, Recorded, Slot};
use crate::event::Event;
use crate::ids::{AggregateId, GrantId, ProductId, UserPackageId};
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::user_package::{DayRule, UserPackageCommand, UserPackageEvent};

const PACKAGES: u128 = 3;

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
            Command::CreditAccount(CreditAccountCommand::Grant { grant, source, amount, expires_at })
        }),
        2 => amount().prop_map(|amount| {
            Command::CreditAccount(CreditAccountCommand::Spend { amount, meter: None, reference: None })
        }),
        1 => (package(), amount(), 1..4_u32, zone(), rule).prop_map(|(package, daily_limit, duration_days, time_zone, day)| {
            let product = id(1, ProductId::from_uuid);
            let activate = UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day };
            Command::UserPackage(package, activate)
        }),
        2 => (package(), amount()).prop_map(|(package, amount)| {
            Command::UserPackage(package, UserPackageCommand::Consume { amount, meter: None, reference: None })
        }),
        4 => (prop::collection::vec(package(), 0..4), amount()).prop_map(|(packages, amount)| {
            Command::Charge(Charge { packages, amount, meter: None, reference: None })
        }),
    ]
}

fn ids() -> Vec<AggregateId> {
    let packages = (1..=PACKAGES).map(|number| AggregateId::user_package(id(number, UserPackageId::from_uuid)));
    packages.chain([AggregateId::credit_account(ACCOUNT)]).collect()
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

/// The books, kept apart from the code under test, from amounts alone.
#[derive(Default)]
struct Books {
    granted: i128,
    spent: i128,
    grants: BTreeMap<GrantId, i128>,
    packages: BTreeMap<AggregateId, Bought>,
}

struct Bought {
    daily_limit: i128,
    days: i128,
    starts_at: DateTime<Utc>,
    paid: BTreeMap<NaiveDate, i128>,
}

fn micros(credits: Credits) -> i128 {
    i128::from(credits.micros())
}

impl Books {
    fn enter(&mut self, at: DateTime<Utc>, recorded: &Recorded) -> Result<(), TestCaseError> {
        match &recorded.event {
            Event::CreditAccount(CreditAccountEvent::Granted(granted)) => {
                self.granted += micros(granted.amount);
                *self.grants.entry(granted.grant).or_default() += micros(granted.amount);
                prop_assert_eq!(micros(granted.balance), self.granted - self.spent);
            }
            Event::CreditAccount(CreditAccountEvent::Spent(spent)) => {
                self.spent += micros(spent.amount);
                let from: i128 = spent.from.iter().map(|taken| micros(taken.amount)).sum();
                prop_assert_eq!(from, micros(spent.amount), "the parts are the whole");
                for taken in &spent.from {
                    let left = self.grants.entry(taken.grant).or_default();
                    *left -= micros(taken.amount);
                    prop_assert!(*left >= 0, "a grant paid more than it was");
                    prop_assert_eq!(*left, micros(taken.left));
                }
                prop_assert_eq!(micros(spent.balance), self.granted - self.spent, "spent + remaining = granted");
            }
            Event::UserPackage(UserPackageEvent::Activated(activated)) => {
                let bought = Bought {
                    daily_limit: micros(activated.daily_limit),
                    days: activated.duration_days.into(),
                    starts_at: activated.starts_at,
                    paid: BTreeMap::new(),
                };
                prop_assert_eq!(micros(activated.left), bought.daily_limit * bought.days);
                prop_assert!(self.packages.insert(recorded.aggregate, bought).is_none(), "activated twice");
            }
            Event::UserPackage(UserPackageEvent::Consumed(consumed)) => {
                let bought = self.packages.get_mut(&recorded.aggregate).unwrap();
                prop_assert!(
                    at >= bought.starts_at
                        && (at - bought.starts_at).num_minutes() < 24 * 60 * i64::try_from(bought.days).unwrap()
                );
                let newest = bought.paid.last_key_value().map(|(day, _)| *day);
                prop_assert!(newest.is_none_or(|newest| newest <= consumed.day), "days move forward");
                let day = bought.paid.entry(consumed.day).or_default();
                *day += micros(consumed.amount);
                prop_assert!(*day <= bought.daily_limit, "a day paid more than its quota");
                prop_assert_eq!(micros(consumed.day_left), bought.daily_limit - *day);
                let all: i128 = bought.paid.values().sum();
                prop_assert!(all <= bought.daily_limit * bought.days, "a package paid more than was bought");
                prop_assert_eq!(micros(consumed.left), bought.daily_limit * bought.days - all);
            }
        }
        Ok(())
    }
}

fn amount_asked(command: &Command) -> Option<i128> {
    match command {
        Command::Charge(charge) => Some(micros(charge.amount)),
        Command::CreditAccount(CreditAccountCommand::Spend { amount, .. })
        | Command::UserPackage(_, UserPackageCommand::Consume { amount, .. }) => Some(micros(*amount)),
        Command::CreditAccount(CreditAccountCommand::Grant { .. })
        | Command::UserPackage(_, UserPackageCommand::Activate { .. }) => None,
    }
}

fn amount_paid(event: &Event) -> i128 {
    match event {
        Event::CreditAccount(CreditAccountEvent::Spent(spent)) => micros(spent.amount),
        Event::UserPackage(UserPackageEvent::Consumed(consumed)) => micros(consumed.amount),
        Event::CreditAccount(CreditAccountEvent::Granted(_)) | Event::UserPackage(UserPackageEvent::Activated(_)) => 0,
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

        for (at, commands) in units {
            let before = slots(&desk);
            let recorded = match desk.decide(at, &commands) {
                Ok(recorded) => recorded,
                Err(Halt::Refused(_)) => {
                    prop_assert_eq!(slots(&desk), before, "a refusal changes nothing");
                    continue;
                }
                Err(Halt::Missing(id)) => return Err(TestCaseError::fail(format!("{id} was on the desk"))),
            };

            let asked: i128 = commands.iter().filter_map(amount_asked).sum();
            prop_assert_eq!(recorded.iter().map(|recorded| amount_paid(&recorded.event)).sum::<i128>(), asked);
            for recorded in &recorded {
                let slot = folded.get_mut(&recorded.aggregate).unwrap();
                slot.state.apply(&stored_and_read(&recorded.event)).unwrap();
                slot.version += 1;
                prop_assert_eq!(slot.version, recorded.version);
                books.enter(at, recorded)?;
            }
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
        packages in prop::collection::vec(package(), 0..4),
        amount in amount(),
    ) {
        let mut desk = Desk::new(ACCOUNT);
        ids().into_iter().for_each(|id| desk.put(id, fresh(id)));
        for command in &setup {
            // Whatever of it can be is done.
            drop(desk.decide(at, std::slice::from_ref(command)));
        }
        let left_in_packages = |desk: &Desk| {
            let mut named = packages.clone();
            named.sort();
            named.dedup();
            let left = named.iter().map(|package| match &desk.slot(&AggregateId::user_package(*package)).unwrap().state {
                State::UserPackage(state) => micros(state.left_today(at)),
                State::CreditAccount(_) => 0,
            });
            left.sum::<i128>()
        };
        let available = match &desk.slot(&AggregateId::credit_account(ACCOUNT)).unwrap().state {
            State::CreditAccount(state) => micros(state.available(at)),
            State::UserPackage(_) => 0,
        };
        let of_packages = left_in_packages(&desk);

        let charge = Charge { packages: packages.clone(), amount, meter: None, reference: None };
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
