//! The one source of "now" for the business: when an order expires, which day a charge belongs to.
//!
//! A sandbox may move it forward. Leases, back-off, tokens and signatures use the machine's clock instead, so that a
//! moved business clock harms nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Clones share one offset from the machine's clock.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_us: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's own time, until it is moved.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::microseconds(self.offset_us.load(Ordering::Relaxed));
        let now = Utc::now();
        now.checked_add_signed(offset).unwrap_or(now)
    }

    /// Moves the business clock, for every clone of it. Further than a clock can go is as far as it can go.
    pub fn advance(&self, by: TimeDelta) {
        let by = by.num_microseconds().unwrap_or(if by < TimeDelta::zero() { i64::MIN } else { i64::MAX });
        let moved = |offset: i64| Some(offset.saturating_add(by));
        // The closure never declines, so there is always a previous value and nothing to do with it.
        self.offset_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_moved_clock() {
        let clock = Clock::system();
        let other = clock.clone();
        let before = other.now();
        clock.advance(TimeDelta::days(30));
        assert!(other.now() >= before + TimeDelta::days(30));
        assert!(other.now() < Utc::now() + TimeDelta::days(31));
    }

    #[test]
    fn it_cannot_be_moved_out_of_time() {
        let clock = Clock::system();
        clock.advance(TimeDelta::MAX);
        clock.advance(TimeDelta::MAX);
        assert!(clock.now() >= Utc::now() - TimeDelta::seconds(1));
    }
}
