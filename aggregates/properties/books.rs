//! The books, kept apart from the code under test, from amounts alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;

use super::micros;
use crate::credit_account::{CreditAccountEvent, Taken};
use crate::credits::Credits;
use crate::delivery::DeliveryEvent;
use crate::desk::Recorded;
use crate::event::Event;
use crate::holdings::HoldingsEvent;
use crate::ids::{AggregateId, GrantId, OrderId, RefundId, UserPackageId};
use crate::money::Money;
use crate::order::{
    Delivered, Fulfilled, OrderEvent, Paid, Payment, PaymentDuplicated, PaymentMismatched, RefundRequested, Refunded,
    ReviewClosed, ReviewOutcome,
};
use crate::user_package::UserPackageEvent;

#[derive(Default)]
pub(super) struct Books {
    granted: i128,
    spent: i128,
    grants: BTreeMap<GrantId, i128>,
    packages: BTreeMap<AggregateId, Bought>,
    held: BTreeSet<UserPackageId>,
    orders: BTreeMap<OrderId, Ordered>,
    deliveries: BTreeSet<OrderId>,
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
    days: i128,
    starts_at: DateTime<Utc>,
    ended: bool,
    paid: BTreeMap<NaiveDate, i128>,
}

impl Books {
    pub(super) fn enter(&mut self, at: DateTime<Utc>, recorded: &Recorded) -> Result<(), TestCaseError> {
        match &recorded.event {
            Event::CreditAccount(event) => self.enter_credits(event),
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

    fn take(&mut self, amount: Credits, from: &[Taken], balance: Credits) -> Result<(), TestCaseError> {
        self.spent += micros(amount);
        let parts: i128 = from.iter().map(|taken| micros(taken.amount)).sum();
        prop_assert_eq!(parts, micros(amount), "the parts are the whole");
        for taken in from {
            let left = self.grants.entry(taken.grant).or_default();
            *left -= micros(taken.amount);
            prop_assert!(*left >= 0, "a grant paid more than it was");
            prop_assert_eq!(*left, micros(taken.left));
        }
        prop_assert_eq!(micros(balance), self.granted - self.spent, "spent + remaining = granted");
        Ok(())
    }

    fn enter_credits(&mut self, event: &CreditAccountEvent) -> Result<(), TestCaseError> {
        match event {
            CreditAccountEvent::Granted(granted) => {
                self.granted += micros(granted.amount);
                *self.grants.entry(granted.grant).or_default() += micros(granted.amount);
                prop_assert_eq!(micros(granted.balance), self.granted - self.spent);
                Ok(())
            }
            CreditAccountEvent::Spent(spent) => self.take(spent.amount, &spent.from, spent.balance),
            CreditAccountEvent::Deducted(deducted) => self.take(deducted.amount, &deducted.from, deducted.balance),
            _ => Ok(()),
        }
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
                let bought = self.packages.get_mut(&package).unwrap();
                prop_assert!(
                    at >= bought.starts_at && at < bought.ends_at() && !bought.ended,
                    "paid while not running"
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
            UserPackageEvent::Expired(_) => {
                let bought = self.packages.get_mut(&package).unwrap();
                prop_assert!(at >= bought.ends_at() && !std::mem::replace(&mut bought.ended, true));
            }
            _ => {}
        }
        Ok(())
    }
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
    fn ends_at(&self) -> DateTime<Utc> {
        self.starts_at + TimeDelta::days(self.days.try_into().unwrap())
    }
}
