//! A package that one customer bought: so many days of a daily quota.
//!
//! ```text
//!   (nothing) ── activate ──► waiting ── starts_at ──► active ── consume ──► active ── ends_at ──► ended: pays nothing
//!                               │ ▲ move: it starts sooner  ├── hold ──► set aside ── settle ──► used, or back again
//!                               └─┘                         ├── extend ──► the end and the total move out
//!                                                           ├── take back: one order of several ──► shortened
//!                                                           └── take back the last one, revoke ──► revoked: pays nothing
//! ```
//!
//! Three limits hold at once: a day never pays more than `daily_limit`, the whole package never more than
//! `daily_limit` × the days that were bought (a one-day card bought at 14:00 touches two calendar days and is still one
//! quota), and nothing is paid outside of the run. What is held counts as paid until it is settled, and can be settled
//! after midnight, the end and a revocation.
//!
//! A day is named by its date. For `Calendar` that is the local date, so whatever a time zone does to its clocks a new
//! quota begins when the date changes. For `Anniversary` it is the local date of activation plus the number of whole
//! 24 h windows since: one name per window, in order. Days only move forward: if the clock falls back behind the
//! newest day that was paid from, it is still that day, so no date's quota is ever handed out twice.

mod command;
mod decide;
mod error;
mod event;
mod quota;
mod run;
#[cfg(test)]
mod tests;
mod waiting;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::command::{DEFAULT_TIME_ZONE, DayRule, UserPackageCommand};
pub(crate) use self::decide::{check_terms, later};
pub use self::error::UserPackageError;
pub use self::event::{
    Activated, Consumed, Expired, Extended, Held, Moved, Revoked, Settled, Shortened, UserPackageEvent,
};
pub(crate) use self::quota::Quota;
pub use self::run::Run;
pub(crate) use self::waiting::move_up_waiting;
use crate::credits::Credits;
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{OrderId, ProductId};
use crate::kinds::AggregateKind;
use crate::product::PackageTerms;

pub const DURATION_DAYS_MAX: u32 = 36_500;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserPackage {
    #[default]
    NotActivated,
    Activated(Run),
}

/// What was bought, and what makes a second activation the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    product: ProductId,
    daily_limit: Credits,
    duration_days: u32,
    time_zone: Tz,
    day: DayRule,
}

impl UserPackage {
    /// Zero when it is not running.
    pub fn left_today(&self, at: DateTime<Utc>) -> Credits {
        self.quota(at).map(|quota| quota.left()).unwrap_or_default()
    }

    /// Of what product it is, and from when to when; `None` before it is activated.
    pub fn run(&self) -> Option<(ProductId, DateTime<Utc>, DateTime<Utc>)> {
        match self {
            Self::NotActivated => None,
            Self::Activated(run) => Some((run.terms.product, run.starts_at, run.ends_at)),
        }
    }

    /// The part of the run that an order bought. The order that activated the package is whichever did not extend it.
    pub fn run_of(&self, order: OrderId) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        match self {
            Self::NotActivated => None,
            Self::Activated(run) => run.part_of(order),
        }
    }

    pub fn is_revoked(&self) -> bool {
        matches!(self, Self::Activated(run) if run.revoked)
    }

    /// It was bought again with this order, whether or not that has been given back.
    pub(crate) fn was_extended_by(&self, order: OrderId) -> bool {
        matches!(self, Self::Activated(run) if run.extension(order).is_some())
    }

    /// It gives what these terms promise, days apart, so that more days can be added to it.
    pub(crate) fn pays_as(&self, terms: &PackageTerms, time_zone: Tz) -> bool {
        let PackageTerms { daily_limit, day, duration_days: _, again: _ } = *terms;
        matches!(self, Self::Activated(run)
            if (run.terms.daily_limit, run.terms.day, run.terms.time_zone) == (daily_limit, day, time_zone))
    }

    pub(crate) fn quota(&self, at: DateTime<Utc>) -> Result<Quota, UserPackageError> {
        self.activated()?.quota(at)
    }

    fn activated(&self) -> Result<&Run, UserPackageError> {
        match self {
            Self::NotActivated => Err(UserPackageError::NotActivated),
            Self::Activated(run) => Ok(run),
        }
    }
}

impl Decider for UserPackage {
    const KIND: AggregateKind = AggregateKind::UserPackage;
    const SCHEMA: i32 = 5;

    type Command = UserPackageCommand;
    type Event = UserPackageEvent;
    type Error = UserPackageError;

    fn decide(&self, at: DateTime<Utc>, command: &UserPackageCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &UserPackageEvent) {
        match (self, event) {
            (Self::Activated(run), event) => run.apply(event),
            (package, UserPackageEvent::Activated(activated)) => *package = Self::Activated(Run::new(activated)),
            (Self::NotActivated, _) => {}
        }
    }
}

cqrs_aggregate!(UserPackage);
