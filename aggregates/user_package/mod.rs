//! A package that one customer bought: so many days of a daily quota.
//!
//! ```text
//!   (nothing) ── activate ──► active ── consume ──► active ── duration_days × 24 h ──► ended: pays nothing
//!                                                                      └── expire ──► recorded as such
//! ```
//!
//! Three limits hold at once: a day never pays more than `daily_limit`, the whole package never more than
//! `daily_limit × duration_days` (a one-day card bought at 14:00 touches two calendar days and is still one quota),
//! and nothing is paid outside of the run.
//!
//! A day is named by its date. For `Calendar` that is the local date, so whatever a time zone does to its clocks a new
//! quota begins when the date changes. For `Anniversary` it is the local date of activation plus the number of whole
//! 24 h windows since: one name per window, in order. Days only move forward: if the clock falls back behind the
//! newest day that was paid from, it is still that day, so no date's quota is ever handed out twice.

mod command;
mod decide;
mod error;
mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::command::{DEFAULT_TIME_ZONE, DayRule, UserPackageCommand};
pub(crate) use self::decide::check_terms;
pub use self::error::UserPackageError;
pub use self::event::{
    Activated, Consumed, Expired, Extended, Held, Moved, Revoked, Settled, Shortened, UserPackageEvent,
};
use crate::credits::Credits;
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::ProductId;
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    terms: Terms,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// The newest day that was paid from, and what it has left.
    newest: Option<Day>,
    left: Credits,
    /// The end has been recorded.
    expired: bool,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    date: NaiveDate,
    left: Credits,
}

/// What a running package can pay at one moment, with every number its event will need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    day: NaiveDate,
    day_left: Credits,
    in_all: Credits,
}

impl Quota {
    pub(crate) fn left(&self) -> Credits {
        self.day_left.min(self.in_all)
    }
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

    pub fn is_revoked(&self) -> bool {
        false
    }

    /// It gives what these terms promise, days apart, so that more days can be added to it.
    pub(crate) fn pays_as(&self, terms: &PackageTerms, time_zone: Tz) -> bool {
        let PackageTerms { daily_limit, day, duration_days: _, again: _ } = *terms;
        matches!(self, Self::Activated(run)
            if (run.terms.daily_limit, run.terms.day, run.terms.time_zone) == (daily_limit, day, time_zone))
    }

    pub(crate) fn quota(&self, at: DateTime<Utc>) -> Result<Quota, UserPackageError> {
        match self {
            Self::NotActivated => Err(UserPackageError::NotActivated),
            Self::Activated(run) => run.quota(at),
        }
    }
}

impl Run {
    fn quota(&self, at: DateTime<Utc>) -> Result<Quota, UserPackageError> {
        if at < self.starts_at {
            return Err(UserPackageError::NotStarted { starts_at: self.starts_at });
        }
        // Also by a clock that is behind the one that said so.
        if self.expired || at >= self.ends_at {
            return Err(UserPackageError::Ended { ended_at: self.ends_at });
        }

        let date = self.date(at).ok_or(UserPackageError::TimeOutOfRange)?;
        let today = match self.newest {
            Some(newest) if date <= newest.date => newest,
            Some(_) | None => Day { date, left: self.terms.daily_limit },
        };
        Ok(Quota { day: today.date, day_left: today.left, in_all: self.left })
    }

    /// The name of the day that `at`, a moment of the run, belongs to.
    fn date(&self, at: DateTime<Utc>) -> Option<NaiveDate> {
        let local = |moment: DateTime<Utc>| moment.with_timezone(&self.terms.time_zone).date_naive();
        match self.terms.day {
            DayRule::Calendar => Some(local(at)),
            DayRule::Anniversary => {
                let windows = u64::try_from(at.signed_duration_since(self.starts_at).num_days()).ok()?;
                local(self.starts_at).checked_add_days(Days::new(windows))
            }
        }
    }
}

impl Decider for UserPackage {
    const KIND: AggregateKind = AggregateKind::UserPackage;
    const SCHEMA: i32 = 2;

    type Command = UserPackageCommand;
    type Event = UserPackageEvent;
    type Error = UserPackageError;

    fn decide(&self, at: DateTime<Utc>, command: &UserPackageCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &UserPackageEvent) {
        match event {
            UserPackageEvent::Activated(activated) => {
                let Activated { product, daily_limit, duration_days, time_zone, day, starts_at, ends_at, left } =
                    *activated;
                let terms = Terms { product, daily_limit, duration_days, time_zone, day };
                *self = Self::Activated(Run { terms, starts_at, ends_at, newest: None, left, expired: false });
            }
            UserPackageEvent::Consumed(consumed) => {
                if let Self::Activated(run) = self {
                    run.newest = Some(Day { date: consumed.day, left: consumed.day_left });
                    run.left = consumed.left;
                }
            }
            UserPackageEvent::Extended(_)
            | UserPackageEvent::Shortened(_)
            | UserPackageEvent::Moved(_)
            | UserPackageEvent::Revoked(_)
            | UserPackageEvent::Held(_)
            | UserPackageEvent::Settled(_) => {}
            UserPackageEvent::Expired(Expired { at: _ }) => {
                if let Self::Activated(run) = self {
                    run.expired = true;
                }
            }
        }
    }
}

cqrs_aggregate!(UserPackage);
