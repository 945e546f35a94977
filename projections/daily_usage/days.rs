//! The days of a package, as `aggregates::user_package` counts them: for `Calendar` the local date; for `Anniversary`
//! the local date of activation plus the number of whole 24 h windows since.

use aggregates::DayRule;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Clocks are set forward by less than this, and in steps of…
const GAP_MAX: TimeDelta = TimeDelta::hours(25);
/// …a multiple of this.
const GAP_STEP: TimeDelta = TimeDelta::minutes(15);

/// What decides which day it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    pub(super) rule: DayRule,
    pub(super) zone: Tz,
    pub(super) starts_at: DateTime<Utc>,
}

impl Calendar {
    /// The name of the day that `at` belongs to; `None` outside of what a calendar can name.
    pub(super) fn day(&self, at: DateTime<Utc>) -> Option<NaiveDate> {
        match self.rule {
            DayRule::Calendar => Some(self.local(at)),
            DayRule::Anniversary => {
                let windows = u64::try_from(at.signed_duration_since(self.starts_at).num_days()).ok()?;
                self.local(self.starts_at).checked_add_days(Days::new(windows))
            }
        }
    }

    /// When the day after `day` begins.
    pub(super) fn next_day_begins(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        match self.rule {
            DayRule::Calendar => self.first_moment(day.succ_opt()?),
            DayRule::Anniversary => {
                let windows = day.succ_opt()?.signed_duration_since(self.local(self.starts_at)).num_days();
                self.starts_at.checked_add_signed(TimeDelta::try_days(windows)?)
            }
        }
    }

    fn local(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// Midnight; where clocks jump over it, the moment they jump to.
    fn first_moment(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        let midnight = day.and_time(NaiveTime::MIN);
        let mut late = TimeDelta::zero();
        while late <= GAP_MAX {
            let local = midnight.checked_add_signed(late)?;
            if let Some(moment) = self.zone.from_local_datetime(&local).earliest() {
                return Some(moment.with_timezone(&Utc));
            }
            late += GAP_STEP;
        }
        None
    }
}
