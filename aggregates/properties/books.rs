//! The books, kept apart from the code under test, from amounts alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::credits::CreditBooks;
use super::holds::HoldBooks;
use super::micros;
use crate::credit_account::{CreditAccount, CreditAccountEvent};
use crate::credits::Credits;
use crate::delivery::DeliveryEvent;
use crate::desk::Recorded;
use crate::event::Event;
use crate::holdings::HoldingsEvent;
use crate::ids::{AggregateId, HoldId, OrderId, RefundId, UserPackageId};
use crate::money::Money;
use crate::order::{
    Delivered, Fulfilled, OrderEvent, Paid, Payment, PaymentDuplicated, PaymentMismatched, RefundRequested, Refunded,
    ReviewClosed, ReviewOutcome,
};
use crate::user_package::{Activated, DayRule, UserPackageEvent};

#[derive(Default)]
pub(super) struct Books {
    credits: CreditBooks,
    holds: HoldBooks,
    packages: BTreeMap<AggregateId, Bought>,
    /// From when to when, by the account's holdings.
    held: BTreeMap<AggregateId, (DateTime<Utc>, DateTime<Utc>)>,
    orders: BTreeMap<OrderId, Ordered>,
    deliveries: BTreeSet<OrderId>,
    withdrawn: BTreeSet<AggregateId>,
}

#[derive(Default)]
struct Ordered {
    price: Option<Money>,
    provider: String,
    /// Everything that was ever reported, by provider and id, with what has gone back of it.
    payments: BTreeMap<(String, String), Reported>,
    refunds: BTreeMap<RefundId, Asked>,
    gone: BTreeSet<RefundId>,
    paid: u32,
    delivered: Vec<UserPackageId>,
}

/// Money, in minor units.
#[derive(Default)]
struct Reported {
    paid: i64,
    back: i64,
    accepted: bool,
}

struct Asked {
    payment: (String, String),
    amount: i64,
    open: bool,
}

struct Bought {
    daily_limit: i128,
    /// Whatever was bought of it, given back since or not.
    days: i128,
    time_zone: Tz,
    day: DayRule,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// Orders that extended it.
    extended: BTreeSet<OrderId>,
    /// Orders that were given back.
    shortened: BTreeSet<OrderId>,
    ended: bool,
    revoked: bool,
    used: BTreeMap<NaiveDate, i128>,
    held: BTreeMap<NaiveDate, i128>,
    left: i128,
    /// Used of days that were given back.
    owed: i128,
}

impl Books {
    pub(super) fn enter(&mut self, at: DateTime<Utc>, recorded: &Recorded) -> Result<(), TestCaseError> {
        match &recorded.event {
            Event::CreditAccount(event) => {
                if let CreditAccountEvent::Settled(settled) = event {
                    self.holds.charge(settled.hold, micros(settled.amount));
                }
                self.credits.enter(event)
            }
            Event::Hold(event) => {
                self.holds.enter(HoldId::from_uuid(recorded.aggregate.id), event, &self.credits.holds)
            }
            Event::UserPackage(event) => self.enter_package(at, recorded.aggregate, event),
            Event::Holdings(event) => self.enter_holdings(event),
            Event::Order(event) => self.enter_order(OrderId::from_uuid(recorded.aggregate.id), event),
            Event::Delivery(DeliveryEvent::Requested(requested)) => {
                prop_assert!(self.deliveries.insert(requested.order), "delivered twice");
                Ok(())
            }
            Event::Delivery(DeliveryEvent::Withdrawn(_)) => {
                prop_assert!(self.withdrawn.insert(recorded.aggregate), "withdrawn twice");
                Ok(())
            }
            other => Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
        }
    }

    /// Once a unit of work is whole.
    pub(super) fn check_credits(&self, account: &CreditAccount, latest: DateTime<Utc>) -> Result<(), TestCaseError> {
        self.credits.check(account, latest)?;
        self.holds.check(&self.credits.holds)
    }

    /// Once a unit of work is whole.
    pub(super) fn check_orders(&self) -> Result<(), TestCaseError> {
        for (order, ordered) in &self.orders {
            prop_assert!(ordered.paid <= 1, "paid twice");
            ordered.check_refunds()?;
            prop_assert_eq!(ordered.delivered.len(), usize::try_from(ordered.paid).unwrap(), "paid is delivered");
            prop_assert_eq!(self.deliveries.contains(order), ordered.paid == 1);
        }
        for delivered in self.orders.values().flat_map(|ordered| &ordered.delivered) {
            prop_assert!(self.packages.contains_key(&AggregateId::user_package(*delivered)));
        }
        for (package, bought) in self.packages.iter().filter(|(_, bought)| !bought.revoked) {
            let held = self.held.get(package);
            prop_assert!(held.is_some(), "whatever was activated is found by charges");
            // What was shortened until now may have been forgotten before, and needs not be found.
            let is_found = held == Some(&(bought.starts_at, bought.ends_at));
            prop_assert!(is_found || !bought.shortened.is_empty(), "a package is found when it runs");
        }
        Ok(())
    }

    fn enter_holdings(&mut self, event: &HoldingsEvent) -> Result<(), TestCaseError> {
        let run = |starts_at, ends_at| Some((starts_at, ends_at));
        let (package, before, after) = match event {
            HoldingsEvent::PackageAdded(added) => {
                let id = AggregateId::user_package(added.package);
                (id, self.held.get(&id).copied(), run(added.starts_at, added.ends_at))
            }
            HoldingsEvent::PackageMoved(moved) => {
                let id = AggregateId::user_package(moved.package);
                (id, self.held.get(&id).copied(), run(moved.starts_at, moved.ends_at))
            }
            HoldingsEvent::PackageRemoved(removed) => {
                let id = AggregateId::user_package(removed.package);
                (id, self.held.get(&id).copied(), None)
            }
            other => return Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
        };
        prop_assert_ne!(before, after, "nothing is said twice");
        match after {
            Some(after) => self.held.insert(package, after),
            None => self.held.remove(&package),
        };
        Ok(())
    }

    fn enter_order(&mut self, order: OrderId, event: &OrderEvent) -> Result<(), TestCaseError> {
        let ordered = self.orders.entry(order).or_default();
        match event {
            OrderEvent::Placed(placed) => {
                prop_assert!(ordered.price.replace(placed.price).is_none(), "placed twice");
                ordered.provider.clone_from(&placed.provider);
            }
            OrderEvent::Paid(Paid { payment, .. }) => {
                let accepted = ordered.payments.get(&name(payment)).is_some_and(|reported| reported.accepted);
                let fits = (Some(payment.amount), &payment.provider) == (ordered.price, &ordered.provider);
                prop_assert!(fits || accepted, "paid by another amount, and nobody took it");
                ordered.paid += 1;
            }
            OrderEvent::PaymentMismatched(_) => prop_assert_eq!(ordered.paid, 0),
            OrderEvent::PaymentDuplicated(_) => prop_assert_eq!(ordered.paid, 1),
            OrderEvent::Fulfilled(Fulfilled { delivered: Delivered::UserPackage(package), .. }) => {
                ordered.delivered.push(*package);
            }
            OrderEvent::Expired(_) | OrderEvent::Cancelled(_) | OrderEvent::Failed(_) => {
                prop_assert_eq!(ordered.paid, 0, "what was paid stays paid");
            }
            OrderEvent::ReviewClosed(ReviewClosed { provider, payment_id, outcome, .. }) => {
                let reported = ordered.payments.get_mut(&(provider.clone(), payment_id.clone())).unwrap();
                reported.accepted = *outcome == ReviewOutcome::Accepted;
            }
            OrderEvent::Fulfilled(_) | OrderEvent::CheckoutOpened(_) => {}
            other => ordered.enter_refund(other)?,
        }
        if let OrderEvent::Paid(Paid { payment, .. })
        | OrderEvent::PaymentMismatched(PaymentMismatched { payment, .. })
        | OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, .. }) = event
        {
            let reported = Reported { paid: payment.amount.minor(), ..Reported::default() };
            let before = ordered.payments.entry(name(payment)).or_insert(reported);
            prop_assert!(before.back == 0, "what went back pays for nothing");
        }
        Ok(())
    }

    fn enter_package(
        &mut self,
        at: DateTime<Utc>,
        package: AggregateId,
        event: &UserPackageEvent,
    ) -> Result<(), TestCaseError> {
        if let UserPackageEvent::Activated(activated) = event {
            let bought = Bought::new(activated);
            prop_assert_eq!(bought.left, bought.daily_limit * bought.days);
            prop_assert_eq!(bought.ends_at - bought.starts_at, days(activated.duration_days));
            prop_assert!(self.packages.insert(package, bought).is_none(), "activated twice");
            return Ok(());
        }
        let bought = self.packages.get_mut(&package).unwrap();
        match event {
            UserPackageEvent::Activated(_) => {}
            UserPackageEvent::Consumed(consumed) => {
                bought.pays(at, consumed.day)?;
                *bought.used.entry(consumed.day).or_default() += micros(consumed.amount);
                bought.left -= micros(consumed.amount);
                bought.comes_to(consumed.day, consumed.day_left, consumed.left)?;
            }
            UserPackageEvent::Held(held) => {
                self.holds.hold_quota(package, held)?;
                bought.pays(at, held.day)?;
                *bought.held.entry(held.day).or_default() += micros(held.amount);
                bought.left -= micros(held.amount);
                bought.comes_to(held.day, held.day_left, held.left)?;
            }
            UserPackageEvent::Settled(settled) => {
                self.holds.settle_quota(package, settled)?;
                let held = bought.held.get_mut(&settled.day).unwrap();
                *held -= micros(settled.amount) + micros(settled.returned);
                prop_assert!(*held >= 0, "more was settled than was held");
                *bought.used.entry(settled.day).or_default() += micros(settled.amount);
                bought.comes_in(micros(settled.returned));
                bought.comes_to(settled.day, settled.day_left, settled.left)?;
            }
            UserPackageEvent::Extended(extended) => {
                prop_assert!(at < bought.ends_at && !bought.ended && !bought.revoked);
                prop_assert!(bought.extended.insert(extended.order), "extended twice");
                bought.days += i128::from(extended.days);
                bought.comes_in(bought.daily_limit * i128::from(extended.days));
                prop_assert_eq!(extended.ends_at, bought.ends_at + days(extended.days));
                prop_assert_eq!(micros(extended.left), bought.left);
                bought.ends_at = extended.ends_at;
            }
            UserPackageEvent::Shortened(shortened) => {
                prop_assert!(bought.shortened.insert(shortened.order), "given back twice");
                prop_assert!(!bought.revoked && bought.shortened.len() <= bought.extended.len(), "one is left");
                let left = bought.left - bought.daily_limit * i128::from(shortened.days);
                (bought.left, bought.owed) = (left.max(0), bought.owed + (-left).max(0));
                prop_assert_eq!(micros(shortened.left), bought.left);
                let sooner = bought.ends_at - days(shortened.days);
                prop_assert_eq!(shortened.ends_at, sooner.max(at).min(bought.ends_at));
                bought.ends_at = shortened.ends_at;
            }
            UserPackageEvent::Moved(moved) => {
                prop_assert!(at <= moved.starts_at && moved.starts_at < bought.starts_at && !bought.revoked);
                prop_assert_eq!(moved.ends_at - moved.starts_at, bought.ends_at - bought.starts_at);
                (bought.starts_at, bought.ends_at) = (moved.starts_at, moved.ends_at);
            }
            UserPackageEvent::Revoked(_) => {
                prop_assert!(!std::mem::replace(&mut bought.revoked, true), "revoked twice");
            }
            UserPackageEvent::Expired(_) => {
                prop_assert!(at >= bought.ends_at && !bought.revoked && !std::mem::replace(&mut bought.ended, true));
            }
        }
        Ok(())
    }
}

fn days(count: u32) -> TimeDelta {
    TimeDelta::days(count.into())
}

impl Ordered {
    fn enter_refund(&mut self, event: &OrderEvent) -> Result<(), TestCaseError> {
        match event {
            OrderEvent::RefundRequested(RefundRequested { refund, provider, payment_id, amount, .. }) => {
                let payment = (provider.clone(), payment_id.clone());
                let asked = Asked { payment, amount: amount.minor(), open: true };
                prop_assert!(self.refunds.insert(*refund, asked).is_none(), "asked for twice");
            }
            OrderEvent::RefundRefused(refused) => self.refunds.get_mut(&refused.refund).unwrap().open = false,
            OrderEvent::Refunded(Refunded { refund, provider, payment_id, amount, .. }) => {
                let payment = (provider.clone(), payment_id.clone());
                let asked = Asked { payment: payment.clone(), amount: amount.minor(), open: false };
                if let Some(before) = self.refunds.insert(*refund, asked) {
                    prop_assert_eq!((before.payment, before.amount), (payment.clone(), amount.minor()));
                }
                prop_assert!(self.gone.insert(*refund), "went back twice");
                self.payments.get_mut(&payment).unwrap().back += amount.minor();
            }
            OrderEvent::RefundFailed(_) | OrderEvent::RefundGivenUp(_) | OrderEvent::RefundRetried(_) => {}
            other => return Err(TestCaseError::fail(format!("{other:?} is nothing about a refund"))),
        }
        Ok(())
    }

    fn check_refunds(&self) -> Result<(), TestCaseError> {
        for (payment, reported) in &self.payments {
            let open: i64 = self
                .refunds
                .values()
                .filter(|asked| asked.open && asked.payment == *payment)
                .map(|asked| asked.amount)
                .sum();
            prop_assert!(reported.back + open <= reported.paid, "more goes back than was paid");
        }
        Ok(())
    }
}

fn name(payment: &Payment) -> (String, String) {
    (payment.provider.clone(), payment.payment_id.clone())
}

impl Bought {
    fn new(activated: &Activated) -> Self {
        Self {
            daily_limit: micros(activated.daily_limit),
            days: activated.duration_days.into(),
            time_zone: activated.time_zone,
            day: activated.day,
            starts_at: activated.starts_at,
            ends_at: activated.ends_at,
            extended: BTreeSet::new(),
            shortened: BTreeSet::new(),
            ended: false,
            revoked: false,
            used: BTreeMap::new(),
            held: BTreeMap::new(),
            left: micros(activated.left),
            owed: 0,
        }
    }

    /// Days that were used and given back since are made up for first.
    fn comes_in(&mut self, amount: i128) {
        let made_up_for = self.owed.min(amount);
        self.owed -= made_up_for;
        self.left += amount - made_up_for;
    }

    /// It may pay now, and of this day.
    fn pays(&self, at: DateTime<Utc>, day: NaiveDate) -> Result<(), TestCaseError> {
        let runs = at >= self.starts_at && at < self.ends_at;
        prop_assert!(runs && !self.ended && !self.revoked, "paid while not running");
        let (newest, today) = (self.used.keys().chain(self.held.keys()).max(), self.day_of(at));
        prop_assert_eq!(
            day,
            newest.map_or(today, |newest| today.max(*newest)),
            "it pays of today, and never of a day before"
        );
        Ok(())
    }

    /// Apart from the code under test, which could otherwise call every hour a new day.
    fn day_of(&self, at: DateTime<Utc>) -> NaiveDate {
        let on_the_wall = |moment: DateTime<Utc>| moment.with_timezone(&self.time_zone).date_naive();
        match self.day {
            DayRule::Calendar => on_the_wall(at),
            DayRule::Anniversary => {
                let over = (at - self.starts_at).num_seconds() / (24 * 60 * 60);
                on_the_wall(self.starts_at) + Days::new(over.try_into().unwrap())
            }
        }
    }

    /// What the event says is left of the day and in all.
    fn comes_to(&self, day: NaiveDate, day_left: Credits, left: Credits) -> Result<(), TestCaseError> {
        let of = |days: &BTreeMap<NaiveDate, i128>| days.get(&day).copied().unwrap_or_default();
        let of_day = of(&self.used) + of(&self.held);
        prop_assert!(of_day <= self.daily_limit, "a day paid more than its quota");
        prop_assert_eq!(micros(day_left), self.daily_limit - of_day);
        prop_assert_eq!(micros(left), self.left);
        let all: i128 = self.used.values().chain(self.held.values()).sum();
        prop_assert!(all + self.left <= self.daily_limit * self.days, "a package paid more than was bought");
        Ok(())
    }
}
