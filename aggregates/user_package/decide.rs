//! One function per command.

use chrono::{DateTime, TimeDelta, Utc};

use super::error::UserPackageError;
use super::event::{Activated, Consumed, Expired, UserPackageEvent};
use super::{DURATION_DAYS_MAX, Quota, Terms, UserPackage, UserPackageCommand};
use crate::credits::Credits;
use crate::label::Labels;
use crate::time;

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
            UserPackageCommand::Extend { .. }
            | UserPackageCommand::TakeBack { .. }
            | UserPackageCommand::Move { .. }
            | UserPackageCommand::Revoke { .. } => Ok(vec![]),
        }
    }

    fn activate(&self, at: DateTime<Utc>, terms: Terms) -> Decision {
        if let Self::Activated(run) = self {
            return if run.terms == terms { Ok(vec![]) } else { Err(UserPackageError::TermsDiffer) };
        }
        let Terms { product, daily_limit, duration_days, time_zone, day } = terms;
        let left = check_terms(daily_limit, duration_days)?;
        let ends_at = TimeDelta::try_days(duration_days.into())
            .and_then(|duration| at.checked_add_signed(duration))
            .filter(|ends_at| time::is_writable(at) && time::is_writable(*ends_at))
            .ok_or(UserPackageError::TimeOutOfRange)?;

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

    fn expire(&self, at: DateTime<Utc>) -> Decision {
        let Self::Activated(run) = self else {
            return Err(UserPackageError::NotActivated);
        };
        if run.expired {
            return Ok(vec![]);
        }
        if at < run.ends_at {
            return Err(UserPackageError::NotEnded { ends_at: run.ends_at });
        }
        Ok(vec![UserPackageEvent::Expired(Expired { at })])
    }
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

impl Quota {
    /// Also what a charge calls, for as much as it wants of what is left.
    pub(crate) fn consume(&self, amount: Credits, labels: Labels<'_>) -> Result<Consumed, UserPackageError> {
        if amount.is_zero() {
            return Err(UserPackageError::AmountIsZero);
        }
        let not_enough = UserPackageError::NotEnough { needed: amount, left: self.left() };
        let (Some(day_left), Some(left)) = (self.day_left.checked_sub(amount), self.in_all.checked_sub(amount)) else {
            return Err(not_enough);
        };

        Ok(Consumed { amount, day: self.day, day_left, left, meter: labels.meter(), reference: labels.reference() })
    }
}
