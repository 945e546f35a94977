//! What a running package can pay at one moment; what is set aside of it, and what becomes of that.

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::error::UserPackageError;
use super::event::{Consumed, Held, Settled};
use super::{DayRule, Run, UserPackage};
use crate::credits::Credits;
use crate::ids::HoldId;
use crate::label::Labels;

/// With every number that its event will need.
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

    /// Also what a charge calls, for as much as it wants of what is left.
    pub(crate) fn consume(&self, amount: Credits, labels: Labels<'_>) -> Result<Consumed, UserPackageError> {
        let (day_left, left) = self.less(amount)?;
        Ok(Consumed { amount, day: self.day, day_left, left, meter: labels.meter(), reference: labels.reference() })
    }

    /// Sets aside; it counts as used until it is settled.
    pub(crate) fn hold(&self, hold: HoldId, amount: Credits) -> Result<Held, UserPackageError> {
        let (day_left, left) = self.less(amount)?;
        Ok(Held { hold, amount, day: self.day, day_left, left })
    }

    /// Of the day and in all, after an amount was taken.
    fn less(&self, amount: Credits) -> Result<(Credits, Credits), UserPackageError> {
        if amount.is_zero() {
            return Err(UserPackageError::AmountIsZero);
        }
        let not_enough = UserPackageError::NotEnough { needed: amount, left: self.left() };
        match (self.day_left.checked_sub(amount), self.in_all.checked_sub(amount)) {
            (Some(day_left), Some(left)) => Ok((day_left, left)),
            _ => Err(not_enough),
        }
    }
}

impl UserPackage {
    /// Charges `spent` of what a hold has set aside of a day, and gives the rest back: after midnight, the end and a
    /// revocation too. What comes back to the newest day can be used that day again; to an older one, only as part of
    /// the whole.
    pub(crate) fn settle(
        &self,
        hold: HoldId,
        day: NaiveDate,
        held: Credits,
        spent: Credits,
        labels: Labels<'_>,
    ) -> Result<Settled, UserPackageError> {
        let run = self.activated()?;
        let there = run.day(day).filter(|there| there.held >= held);
        let there = there.ok_or(UserPackageError::NotHeld { day })?;
        let returned = held.checked_sub(spent).ok_or(UserPackageError::NotEnough { needed: spent, left: held })?;
        // Days that were used and given back since are made up for first.
        let to_use = returned.checked_sub(run.owed).unwrap_or_default();
        let (Some(day_left), Some(left)) = (there.left.checked_add(returned), run.left.checked_add(to_use)) else {
            return Err(UserPackageError::TooLarge);
        };
        let (meter, reference) = (labels.meter(), labels.reference());
        Ok(Settled { hold, amount: spent, returned, day, day_left, left, meter, reference })
    }
}

impl Run {
    pub(super) fn quota(&self, at: DateTime<Utc>) -> Result<Quota, UserPackageError> {
        if self.revoked {
            return Err(UserPackageError::Revoked);
        }
        if at < self.starts_at {
            return Err(UserPackageError::NotStarted { starts_at: self.starts_at });
        }
        // Also by a clock that is behind the one that said so.
        if self.expired || at >= self.ends_at {
            return Err(UserPackageError::Ended { ended_at: self.ends_at });
        }

        let date = self.date(at).ok_or(UserPackageError::TimeOutOfRange)?;
        let (day, day_left) = match self.newest {
            Some(newest) if date <= newest.date => (newest.date, newest.left),
            Some(_) | None => (date, self.terms.daily_limit),
        };
        Ok(Quota { day, day_left, in_all: self.left })
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
