//! A package once it was activated: what it remembers, and what it makes of each event.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Activated, Consumed, Extended, Held, Moved, Settled, Shortened, UserPackageEvent};
use super::{Expired, Revoked, Terms};
use crate::credits::Credits;
use crate::ids::OrderId;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub(super) terms: Terms,
    pub(super) starts_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
    /// That was paid from.
    pub(super) newest: Option<Day>,
    /// Those before it of which something is held: hardly ever any.
    pub(super) older: Vec<Day>,
    pub(super) left: Credits,
    /// What was used of days that were given back since: it is made up for by what comes back of holds, and by further
    /// days.
    pub(super) owed: Credits,
    /// In the order of their purchase. The one that activated it is not among them.
    pub(super) extensions: Vec<Extension>,
    /// The order that activated it was given back.
    pub(super) first_taken_back: bool,
    /// The end has been recorded.
    pub(super) expired: bool,
    pub(super) revoked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    pub(super) left: Credits,
    pub(super) held: Credits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    pub(super) order: OrderId,
    pub(super) days: u32,
    pub(super) taken_back: bool,
}

impl Run {
    pub(super) fn new(activated: &Activated) -> Self {
        let Activated { product, daily_limit, duration_days, time_zone, day, starts_at, ends_at, left } = *activated;
        Self {
            terms: Terms { product, daily_limit, duration_days, time_zone, day },
            starts_at,
            ends_at,
            newest: None,
            older: vec![],
            left,
            owed: Credits::ZERO,
            extensions: vec![],
            first_taken_back: false,
            expired: false,
            revoked: false,
        }
    }

    pub(super) fn extension(&self, order: OrderId) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.order == order)
    }

    pub(super) fn apply(&mut self, event: &UserPackageEvent) {
        match event {
            UserPackageEvent::Activated(activated) => *self = Self::new(activated),
            UserPackageEvent::Consumed(Consumed { day, day_left, left, amount: _, meter: _, reference: _ }) => {
                self.day_is(*day, *day_left, Some);
                self.left = *left;
            }
            UserPackageEvent::Held(Held { hold: _, amount, day, day_left, left }) => {
                self.day_is(*day, *day_left, |held| held.checked_add(*amount));
                self.left = *left;
            }
            UserPackageEvent::Settled(settled) => self.settled(settled),
            UserPackageEvent::Extended(Extended { order, days, ends_at, left }) => {
                self.extensions.push(Extension { order: *order, days: *days, taken_back: false });
                self.make_up_for(self.terms.daily_limit.checked_mul(*days).unwrap_or(Credits::MAX), *left);
                self.ends_at = *ends_at;
            }
            UserPackageEvent::Shortened(Shortened { order, days, ends_at, left }) => {
                self.take_back(*order);
                let given_back = self.terms.daily_limit.checked_mul(*days).unwrap_or(Credits::MAX);
                let found = self.left.checked_sub(*left).unwrap_or_default();
                let missing = given_back.checked_sub(found).unwrap_or_default();
                self.owed = self.owed.checked_add(missing).unwrap_or(Credits::MAX);
                (self.ends_at, self.left) = (*ends_at, *left);
            }
            UserPackageEvent::Moved(Moved { starts_at, ends_at }) => {
                (self.starts_at, self.ends_at) = (*starts_at, *ends_at);
            }
            UserPackageEvent::Revoked(Revoked { reason: _, at: _ }) => self.revoked = true,
            UserPackageEvent::Expired(Expired { at: _ }) => self.expired = true,
        }
    }

    fn settled(&mut self, settled: &Settled) {
        let Settled { hold: _, amount, returned, day, day_left, left, meter: _, reference: _ } = settled;
        let held = amount.checked_add(*returned).unwrap_or(Credits::MAX);
        self.day_is(*day, *day_left, |before| before.checked_sub(held));
        self.make_up_for(*returned, *left);
    }

    /// What came in and cannot be used has made up for what was owed.
    fn make_up_for(&mut self, came_in: Credits, left: Credits) {
        let to_use = left.checked_sub(self.left).unwrap_or_default();
        let made_up_for = came_in.checked_sub(to_use).unwrap_or_default();
        self.owed = self.owed.checked_sub(made_up_for).unwrap_or_default();
        self.left = left;
    }

    pub(super) fn day(&self, date: NaiveDate) -> Option<&Day> {
        self.newest.iter().chain(&self.older).find(|day| day.date == date)
    }

    /// A day that was paid from has so much left; one that is over is forgotten when nothing of it is held any more.
    fn day_is(&mut self, date: NaiveDate, left: Credits, held: impl FnOnce(Credits) -> Option<Credits>) {
        let before = self.day(date).map(|day| day.held).unwrap_or_default();
        let day = Day { date, left, held: held(before).unwrap_or_default() };
        self.older.retain(|older| older.date != date);
        match self.newest {
            Some(newest) if newest.date > date => self.older.push(day),
            newest => {
                self.older.extend(newest.filter(|newest| newest.date != date));
                self.newest = Some(day);
            }
        }
        self.older.retain(|older| !older.held.is_zero());
    }

    fn take_back(&mut self, order: OrderId) {
        match self.extensions.iter_mut().find(|extension| extension.order == order) {
            Some(extension) => extension.taken_back = true,
            None => self.first_taken_back = true,
        }
    }
}
