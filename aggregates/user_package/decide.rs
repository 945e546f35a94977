//! One function per command.

use chrono::{DateTime, TimeDelta, Utc};

use super::error::UserPackageError;
use super::event::{Activated, Expired, Extended, Moved, Revoked, Shortened, UserPackageEvent};
use super::{DURATION_DAYS_MAX, Run, Terms, UserPackage, UserPackageCommand};
use crate::credits::Credits;
use crate::ids::OrderId;
use crate::label::Labels;
use crate::{reason, time};

type Decision = Result<Vec<UserPackageEvent>, UserPackageError>;

impl UserPackage {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &UserPackageCommand) -> Decision {
        match command {
            UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day, starts_at } => {
                let terms = Terms {
                    product: *product,
                    daily_limit: *daily_limit,
                    duration_days: *duration_days,
                    time_zone: *time_zone,
                    day: *day,
                };
                self.activate(starts_at.unwrap_or(at), terms)
            }
            UserPackageCommand::Consume { amount, meter, reference } => {
                let quota = self.quota(at)?;
                let consumed = quota.consume(*amount, Labels::try_new(meter, reference)?)?;
                Ok(vec![UserPackageEvent::Consumed(consumed)])
            }
            UserPackageCommand::Expire => self.expire(at),
            UserPackageCommand::Extend { order, days } => self.extend(at, *order, *days),
            UserPackageCommand::TakeBack { order, reason } => self.take_back(at, *order, reason),
            UserPackageCommand::Move { starts_at } => self.start_sooner(at, *starts_at),
            UserPackageCommand::Revoke { reason } => self.revoke(at, reason),
        }
    }

    fn activate(&self, at: DateTime<Utc>, terms: Terms) -> Decision {
        if let Self::Activated(run) = self {
            return if run.terms == terms { Ok(vec![]) } else { Err(UserPackageError::TermsDiffer) };
        }
        let Terms { product, daily_limit, duration_days, time_zone, day } = terms;
        let left = check_terms(daily_limit, duration_days)?;
        let ends_at = later(at, duration_days).filter(|_| time::is_writable(at));
        let ends_at = ends_at.ok_or(UserPackageError::TimeOutOfRange)?;

        Ok(vec![UserPackageEvent::Activated(Activated {
            product,
            daily_limit,
            duration_days,
            time_zone,
            day,
            starts_at: at,
            ends_at,
            left,
        })])
    }

    /// Also when the order has extended it before.
    pub(crate) fn can_be_extended(&self, at: DateTime<Utc>, order: OrderId, days: u32) -> bool {
        self.extend(at, order, days).is_ok()
    }

    fn extend(&self, at: DateTime<Utc>, order: OrderId, days: u32) -> Decision {
        let run = self.activated()?;
        if let Some(known) = run.extension(order) {
            return if known.days == days { Ok(vec![]) } else { Err(UserPackageError::TermsDiffer) };
        }
        if run.revoked {
            return Err(UserPackageError::Revoked);
        }
        if run.expired || at >= run.ends_at {
            return Err(UserPackageError::Ended { ended_at: run.ends_at });
        }
        let more = check_terms(run.terms.daily_limit, days)?;
        // Days that were used and given back since are made up for first.
        let to_use = more.checked_sub(run.owed).unwrap_or_default();
        let left = run.left.checked_add(to_use).ok_or(UserPackageError::TooLarge)?;
        let ends_at = later(run.ends_at, days).ok_or(UserPackageError::TimeOutOfRange)?;
        Ok(vec![UserPackageEvent::Extended(Extended { order, days, ends_at, left })])
    }

    fn take_back(&self, at: DateTime<Utc>, order: OrderId, why: &str) -> Decision {
        reason::check(why)?;
        let run = self.activated()?;
        let (days, taken_back) = run.bought_with(order);
        if run.revoked || taken_back {
            return Ok(vec![]);
        }
        if run.purchases_left() < 2 {
            return Ok(vec![UserPackageEvent::Revoked(Revoked { reason: why.to_owned(), at })]);
        }
        let back = run.terms.daily_limit.checked_mul(days).unwrap_or(Credits::MAX);
        let left = run.left.checked_sub(back).unwrap_or_default();
        // It ran until now, and what has ended does not end anew.
        let sooner = TimeDelta::try_days(days.into()).and_then(|days| run.ends_at.checked_sub_signed(days));
        let ends_at = sooner.map_or(at, |sooner| sooner.max(at)).min(run.ends_at);
        Ok(vec![UserPackageEvent::Shortened(Shortened { order, days, ends_at, left })])
    }

    fn start_sooner(&self, at: DateTime<Utc>, starts_at: DateTime<Utc>) -> Decision {
        let run = self.activated()?;
        if run.revoked {
            return Err(UserPackageError::Revoked);
        }
        // No part of the run is over before it begins.
        let starts_at = starts_at.max(at);
        if starts_at == run.starts_at {
            return Ok(vec![]);
        }
        if starts_at > run.starts_at {
            return Err(UserPackageError::NotSooner { starts_at: run.starts_at });
        }
        let sooner = run.starts_at.signed_duration_since(starts_at);
        let ends_at = run.ends_at.checked_sub_signed(sooner).filter(|_| time::is_writable(starts_at));
        let ends_at = ends_at.ok_or(UserPackageError::TimeOutOfRange)?;
        Ok(vec![UserPackageEvent::Moved(Moved { starts_at, ends_at })])
    }

    fn revoke(&self, at: DateTime<Utc>, why: &str) -> Decision {
        reason::check(why)?;
        match self.activated()?.revoked {
            true => Ok(vec![]),
            false => Ok(vec![UserPackageEvent::Revoked(Revoked { reason: why.to_owned(), at })]),
        }
    }

    fn expire(&self, at: DateTime<Utc>) -> Decision {
        let run = self.activated()?;
        // Revoked, it has come to its end already.
        if run.expired || run.revoked {
            return Ok(vec![]);
        }
        if at < run.ends_at {
            return Err(UserPackageError::NotEnded { ends_at: run.ends_at });
        }
        Ok(vec![UserPackageEvent::Expired(Expired { at })])
    }
}

impl Run {
    /// How many days, and whether they were given back. What did not extend it activated it.
    fn bought_with(&self, order: OrderId) -> (u32, bool) {
        self.extension(order)
            .map_or((self.terms.duration_days, self.first_taken_back), |known| (known.days, known.taken_back))
    }

    /// From when to when: after what was bought before it and was not given back.
    pub(super) fn part_of(&self, order: OrderId) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (days, _) = self.bought_with(order);
        let mut starts_at = self.starts_at;
        if self.extension(order).is_some() {
            let first = (!self.first_taken_back).then_some(self.terms.duration_days);
            let before = self.extensions.iter().take_while(|extension| extension.order != order);
            let before = before.filter(|extension| !extension.taken_back).map(|extension| extension.days);
            starts_at = first.into_iter().chain(before).try_fold(starts_at, later)?;
        }
        Some((starts_at, later(starts_at, days)?))
    }

    /// Purchases that were not given back.
    fn purchases_left(&self) -> usize {
        let of_extensions = self.extensions.iter().filter(|extension| !extension.taken_back).count();
        if self.first_taken_back { of_extensions } else { of_extensions.saturating_add(1) }
    }
}

/// So many days of 24 hours later, if that can be written down.
pub(crate) fn later(at: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
    let later = TimeDelta::try_days(days.into()).and_then(|duration| at.checked_add_signed(duration));
    later.filter(|later| time::is_writable(*later))
}

/// What a package of these terms will pay in all; also what a product must pass before it can be sold.
pub(crate) fn check_terms(daily_limit: Credits, duration_days: u32) -> Result<Credits, UserPackageError> {
    if daily_limit.is_zero() {
        return Err(UserPackageError::DailyLimitIsZero);
    }
    if !(1..=DURATION_DAYS_MAX).contains(&duration_days) {
        return Err(UserPackageError::DurationOutOfRange { days: duration_days });
    }
    daily_limit.checked_mul(duration_days).ok_or(UserPackageError::TooLarge)
}
