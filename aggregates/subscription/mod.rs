//! A plan that one account pays for period by period.
//!
//! ```text
//!   (nothing) ── start ──► active ── period over ──► past due ── grace over ──► expired
//!                            ▲ └── renew ◄───────────────┘
//!                            ├── cancel ──► active until its period is over ──► canceled
//!                            └── cancel now, money given back ──► canceled
//! ```
//!
//! Each paid period is one order's, and grants its credits once. A period starts where the one before it ended, paid
//! ahead of time or late. Calendar months are counted from where they began, so that what starts on the 31st does so
//! again after a shorter month.
//!
//! Money of a period that is given back ends the subscription, unless a later one has begun: that was paid for itself.
//!
//! Money that has come is never refused while the subscription lives: not for its currency, and not because a period is
//! unpaid. What costs nothing may be.

mod command;
mod decide;
mod error;
mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::SubscriptionCommand;
pub use self::error::SubscriptionError;
pub use self::event::{
    CancelScheduled, CancelWithdrawn, Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed,
    Started, SubscriptionEnd, SubscriptionEvent,
};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::OrderId;
use crate::kinds::AggregateKind;
use crate::product::Period;
use crate::time::is_writable;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subscription {
    #[default]
    NotStarted,
    Started(Box<Subscribed>),
}

/// A subscription once its first period was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribed {
    plan: Plan,
    /// That waits for the next period.
    next: Option<Plan>,
    /// The last one that was paid for.
    period: PaidPeriod,
    count: Count,
    /// Once the period is over and nobody has paid: when the subscription expires.
    expires_at: Option<DateTime<Utc>>,
    cancel: Option<CancelScheduled>,
    ended: Option<SubscriptionEnd>,
    /// Of the periods, oldest first.
    orders: Vec<PeriodOrder>,
    changes: Vec<PaidChange>,
}

/// Which period an order paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeriodOrder {
    order: OrderId,
    starts_at: DateTime<Utc>,
}

/// Where periods of calendar months are counted from, and how many months later the last one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    from: DateTime<Utc>,
    months: u32,
}

/// What goes back if its order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaidChange {
    order: OrderId,
    /// Number of the period that it changed.
    period: u32,
    before: Plan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    Active,
    PastDue,
    Canceled,
    Expired,
}

impl SubscriptionStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

impl Count {
    /// Where a further period ends, and how it is counted on from there.
    fn further(self, starts_at: DateTime<Utc>, period: Period) -> Option<(DateTime<Utc>, Self)> {
        match period {
            Period::Days(days) => {
                let ends_at = starts_at.checked_add_signed(TimeDelta::days(days.into()))?;
                Some((ends_at, Self { from: ends_at, months: 0 }))
            }
            Period::Months(months) => {
                let months = self.months.checked_add(months)?;
                let ends_at = self.from.checked_add_months(Months::new(months))?;
                Some((ends_at, Self { from: self.from, months }))
            }
        }
    }
}

impl Plan {
    /// When a period that ends then has been unpaid for too long.
    fn lapses_at(&self, ends_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let grace = TimeDelta::days(self.terms.grace_days.into());
        ends_at.checked_add_signed(grace).filter(|lapses_at| is_writable(*lapses_at))
    }
}

impl Subscription {
    /// It has not ended.
    pub fn is_live(&self) -> bool {
        self.live().is_ok()
    }

    /// It has not ended, nor should have by now, had somebody recorded it.
    pub fn is_live_at(&self, at: DateTime<Utc>) -> bool {
        self.live().is_ok_and(|subscribed| !subscribed.is_over(at))
    }

    /// Of the last period that was paid for.
    pub fn plan(&self) -> Option<&Plan> {
        self.subscribed().ok().map(|subscribed| &subscribed.plan)
    }

    /// Of the next period: the scheduled one, or the present one again.
    pub fn next_plan(&self) -> Option<&Plan> {
        self.subscribed().ok().map(|subscribed| subscribed.next.as_ref().unwrap_or(&subscribed.plan))
    }

    /// The last one that was paid for.
    pub fn period(&self) -> Option<&PaidPeriod> {
        self.subscribed().ok().map(|subscribed| &subscribed.period)
    }

    /// When an unpaid period will have been unpaid for too long.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.live().ok()?.expires_at
    }

    /// Those that paid its periods, the one that it began with first.
    pub fn paid_orders(&self) -> impl Iterator<Item = OrderId> {
        self.subscribed().into_iter().flat_map(|state| &state.orders).map(|period| period.order)
    }

    /// It ends with its period.
    pub fn is_cancel_scheduled(&self) -> bool {
        self.live().is_ok_and(|subscribed| subscribed.cancel.is_some())
    }

    pub fn status(&self) -> Option<SubscriptionStatus> {
        let subscribed = self.subscribed().ok()?;
        Some(match (subscribed.ended, subscribed.expires_at) {
            (Some(SubscriptionEnd::Canceled), _) => SubscriptionStatus::Canceled,
            (Some(SubscriptionEnd::Expired), _) => SubscriptionStatus::Expired,
            (None, Some(_)) => SubscriptionStatus::PastDue,
            (None, None) => SubscriptionStatus::Active,
        })
    }

    fn subscribed(&self) -> Result<&Subscribed, SubscriptionError> {
        match self {
            Self::NotStarted => Err(SubscriptionError::NotStarted),
            Self::Started(subscribed) => Ok(subscribed),
        }
    }

    fn live(&self) -> Result<&Subscribed, SubscriptionError> {
        let subscribed = self.subscribed()?;
        if subscribed.ended.is_some() { Err(SubscriptionError::Ended) } else { Ok(subscribed) }
    }
}

impl Decider for Subscription {
    const KIND: AggregateKind = AggregateKind::Subscription;
    const SCHEMA: i32 = 3;

    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;
    type Error = SubscriptionError;

    fn decide(&self, at: DateTime<Utc>, command: &SubscriptionCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &SubscriptionEvent) {
        match (self, event) {
            (subscription @ Self::NotStarted, SubscriptionEvent::Started(Started { plan, period })) => {
                let count = Count { from: period.starts_at, months: 0 };
                let mut subscribed = Subscribed {
                    plan: *plan,
                    next: None,
                    period: *period,
                    count,
                    expires_at: None,
                    cancel: None,
                    ended: None,
                    orders: vec![],
                    changes: vec![],
                };
                subscribed.paid(plan, period);
                *subscription = Self::Started(Box::new(subscribed));
            }
            (Self::Started(subscribed), event) => subscribed.apply(event),
            (Self::NotStarted, _) => {}
        }
    }
}

impl Subscribed {
    fn apply(&mut self, event: &SubscriptionEvent) {
        match event {
            // Once.
            SubscriptionEvent::Started(_) => {}
            SubscriptionEvent::Renewed(Renewed { plan, period }) => self.paid(plan, period),
            SubscriptionEvent::PastDue(PastDue { expires_at, at: _ }) => self.expires_at = Some(*expires_at),
            SubscriptionEvent::CancelScheduled(scheduled) => self.cancel = Some(scheduled.clone()),
            SubscriptionEvent::CancelWithdrawn(CancelWithdrawn { at: _ }) => self.cancel = None,
            SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan, at: _ }) => {
                self.next = (plan.product != self.plan.product).then_some(*plan);
            }
            SubscriptionEvent::PlanChanged(PlanChanged { plan, order, undoes, at: _ }) => {
                if let Some(order) = *order {
                    self.changes.push(PaidChange { order, period: self.period.number, before: self.plan });
                }
                if let Some(undone) = self.changes.iter().position(|change| Some(change.order) == *undoes) {
                    self.changes.truncate(undone);
                }
                self.plan = *plan;
                self.next = None;
            }
            SubscriptionEvent::Ended(Ended { how, .. }) => self.ended = Some(*how),
        }
    }

    fn paid(&mut self, plan: &Plan, period: &PaidPeriod) {
        if let Some((_, count)) = self.count.further(period.starts_at, plan.terms.period) {
            self.count = count;
        }
        self.next = self.next.filter(|next| next.product != plan.product);
        self.plan = *plan;
        self.period = *period;
        self.expires_at = None;
        self.orders.push(PeriodOrder { order: period.order, starts_at: period.starts_at });
    }

    /// The place of an order's period among those that were paid.
    fn paid_by(&self, order: OrderId) -> Option<usize> {
        self.orders.iter().position(|period| period.order == order)
    }

    /// A period after that one has begun by then.
    fn has_gone_on(&self, period: usize, at: DateTime<Utc>) -> bool {
        self.orders.get(period + 1).is_some_and(|next| next.starts_at <= at)
    }

    /// Whether it would have ended by then, had somebody recorded it.
    fn is_over(&self, at: DateTime<Utc>) -> bool {
        let ends_at = self.period.ends_at;
        let last = if self.cancel.is_some() { Some(ends_at) } else { self.lapses_at() };
        last.is_some_and(|last| last <= at)
    }

    /// Once past due, what was recorded counts.
    fn lapses_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at.or_else(|| self.plan.lapses_at(self.period.ends_at))
    }
}

cqrs_aggregate!(Subscription);
