//! The books, kept apart from the code under test, from amounts alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
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
use crate::ids::{AggregateId, HoldId, OrderId, UserPackageId};
use crate::money::Money;
use crate::order::{Delivered, Fulfilled, OrderEvent, Paid, PaymentDuplicated, PaymentMismatched};
use crate::user_package::UserPackageEvent;

#[derive(Default)]
pub(super) struct Books {
    credits: CreditBooks,
    holds: HoldBooks,
    packages: BTreeMap<AggregateId, Bought>,
    held: BTreeSet<UserPackageId>,
    orders: BTreeMap<OrderId, Ordered>,
    deliveries: BTreeSet<OrderId>,
}

#[derive(Default)]
struct Ordered {
    price: Option<Money>,
    provider: String,
    /// Everything that was ever reported, by provider and id.
    payments: BTreeSet<(String, String)>,
    paid: u32,
    delivered: Vec<UserPackageId>,
}

struct Bought {
    daily_limit: i128,
    days: i128,
    starts_at: DateTime<Utc>,
    ended: bool,
    paid: BTreeMap<NaiveDate, i128>,
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
            Event::Holdings(HoldingsEvent::PackageAdded(added)) => {
                prop_assert!(self.held.insert(added.package), "held twice");
                Ok(())
            }
            Event::Order(event) => self.enter_order(OrderId::from_uuid(recorded.aggregate.id), event),
            Event::Delivery(DeliveryEvent::Requested(requested)) => {
                prop_assert!(self.deliveries.insert(requested.order), "delivered twice");
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
            prop_assert_eq!(ordered.delivered.len(), usize::try_from(ordered.paid).unwrap(), "paid is delivered");
            prop_assert_eq!(self.deliveries.contains(order), ordered.paid == 1);
        }
        for delivered in self.orders.values().flat_map(|ordered| &ordered.delivered) {
            prop_assert!(self.packages.contains_key(&AggregateId::user_package(*delivered)));
        }
        let activated: BTreeSet<_> = self.packages.keys().map(|id| UserPackageId::from_uuid(id.id)).collect();
        prop_assert_eq!(&activated, &self.held, "whatever was activated is found by charges");
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
                prop_assert_eq!((Some(payment.amount), &payment.provider), (ordered.price, &ordered.provider));
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
            OrderEvent::CheckoutOpened(_) => {}
            _ => {}
        }
        if let OrderEvent::Paid(Paid { payment, .. })
        | OrderEvent::PaymentMismatched(PaymentMismatched { payment, .. })
        | OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, .. }) = event
        {
            let name = (payment.provider.clone(), payment.payment_id.clone());
            prop_assert!(ordered.payments.insert(name), "the same payment was recorded twice");
        }
        Ok(())
    }

    fn bought(&mut self, package: AggregateId) -> &mut Bought {
        self.packages.get_mut(&package).unwrap()
    }

    fn enter_package(
        &mut self,
        at: DateTime<Utc>,
        package: AggregateId,
        event: &UserPackageEvent,
    ) -> Result<(), TestCaseError> {
        match event {
            UserPackageEvent::Activated(activated) => {
                let bought = Bought {
                    daily_limit: micros(activated.daily_limit),
                    days: activated.duration_days.into(),
                    starts_at: activated.starts_at,
                    ended: false,
                    paid: BTreeMap::new(),
                };
                prop_assert_eq!(micros(activated.left), bought.daily_limit * bought.days);
                prop_assert!(self.packages.insert(package, bought).is_none(), "activated twice");
            }
            UserPackageEvent::Consumed(consumed) => {
                self.bought(package).use_quota(at, consumed.day, micros(consumed.amount))?;
                self.bought(package).stands(consumed.day, consumed.day_left, consumed.left)?;
            }
            // It counts as used until it comes back.
            UserPackageEvent::Held(held) => {
                self.holds.hold_quota(package, held)?;
                self.bought(package).use_quota(at, held.day, micros(held.amount))?;
                self.bought(package).stands(held.day, held.day_left, held.left)?;
            }
            UserPackageEvent::Settled(settled) => {
                self.holds.settle_quota(package, settled)?;
                let bought = self.bought(package);
                *bought.paid.get_mut(&settled.day).unwrap() -= micros(settled.returned);
                bought.stands(settled.day, settled.day_left, settled.left)?;
            }
            UserPackageEvent::Expired(_) => {
                let bought = self.packages.get_mut(&package).unwrap();
                prop_assert!(at >= bought.ends_at() && !std::mem::replace(&mut bought.ended, true));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Bought {
    fn ends_at(&self) -> DateTime<Utc> {
        self.starts_at + TimeDelta::days(self.days.try_into().unwrap())
    }

    fn use_quota(&mut self, at: DateTime<Utc>, day: NaiveDate, amount: i128) -> Result<(), TestCaseError> {
        prop_assert!(at >= self.starts_at && at < self.ends_at() && !self.ended, "used while not running");
        let newest = self.paid.last_key_value().map(|(day, _)| *day);
        prop_assert!(newest.is_none_or(|newest| newest <= day), "days move forward");
        *self.paid.entry(day).or_default() += amount;
        Ok(())
    }

    fn stands(&self, day: NaiveDate, day_left: Credits, left: Credits) -> Result<(), TestCaseError> {
        let used = self.paid.get(&day).copied().unwrap_or_default();
        prop_assert!((0..=self.daily_limit).contains(&used), "a day was used for more than its quota");
        prop_assert_eq!(micros(day_left), self.daily_limit - used);
        let all: i128 = self.paid.values().sum();
        prop_assert!(all <= self.daily_limit * self.days, "a package was used for more than was bought");
        prop_assert_eq!(micros(left), self.daily_limit * self.days - all);
        Ok(())
    }
}
