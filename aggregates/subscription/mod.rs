//! A plan that one account pays for period by period.
//!
//! ```text
//!   (nothing) ── start ──► active ── period over ──► past due ── grace over ──► expired
//!                            ▲ └── renew ◄───────────────┘
//!                            ├── cancel ──► active until its period is over ──► canceled
//!                            └── cancel now, money given back ──► canceled
//! ```
//!
//! Each paid period is one order's, and grants its credits once. Periods are counted from the first one, so that a
//! month which begins on the 31st does so again after a shorter one.

mod command;
mod error;
mod event;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::SubscriptionCommand;
pub use self::error::SubscriptionError;
pub use self::event::{
    CancelScheduled, CancelWithdrawn, Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed,
    Started, SubscriptionEnd, SubscriptionEvent,
};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::kinds::AggregateKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subscription {
    #[default]
    NotStarted,
}

impl Subscription {
    /// It can still be renewed.
    pub fn is_live(&self) -> bool {
        false
    }

    /// Of the present period.
    pub fn plan(&self) -> Option<&Plan> {
        None
    }

    /// Of the next period: the scheduled one, or the present one again.
    pub fn next_plan(&self) -> Option<&Plan> {
        None
    }
}

impl Decider for Subscription {
    const KIND: AggregateKind = AggregateKind::Subscription;
    const SCHEMA: i32 = 1;

    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;
    type Error = SubscriptionError;

    fn decide(&self, _at: DateTime<Utc>, _command: &SubscriptionCommand) -> Result<Vec<Self::Event>, Self::Error> {
        Ok(vec![])
    }

    fn apply(&mut self, _event: &SubscriptionEvent) {}
}

cqrs_aggregate!(Subscription);
