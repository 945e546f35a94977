//! The one source of "now" for the business: decisions, order expiry, quota days. A sandbox can move it forward.
//!
//! Tokens, signatures, leases and back-off do not ask here: they go by the wall clock, which nobody moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The wall clock, until somebody moves it.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// To the microsecond, which is what the database keeps: a time is the same before and after it was stored.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let wall = Utc::now().trunc_subsecs(6);
        wall.checked_add_signed(self.ahead()).unwrap_or(wall)
    }

    /// How far this is ahead of the wall clock.
    #[must_use]
    pub fn ahead(&self) -> TimeDelta {
        TimeDelta::microseconds(self.ahead_micros.load(Ordering::Relaxed))
    }

    /// Sets how far this is ahead; it never goes back, because the log does not.
    pub fn set_ahead(&self, ahead: TimeDelta) {
        self.ahead_micros.fetch_max(ahead.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub fn advance(&self, by: TimeDelta) {
        self.set_ahead(self.ahead().checked_add(&by).unwrap_or(TimeDelta::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_time_that_only_moves_forward() {
        let clock = Clock::system();
        let shared = clock.clone();
        clock.advance(TimeDelta::days(30));
        assert!(shared.now() - Utc::now() > TimeDelta::days(29));
        shared.set_ahead(TimeDelta::days(1));
        assert_eq!(clock.ahead(), TimeDelta::days(30));
    }

    #[test]
    fn a_move_beyond_the_calendar_leaves_the_wall_clock() {
        let clock = Clock::system();
        clock.advance(TimeDelta::MAX);
        assert!((clock.now() - Utc::now()).abs() < TimeDelta::days(1));
    }
}
