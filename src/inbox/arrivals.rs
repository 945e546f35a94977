//! What whoever works off the inbox knows of what arrives at the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// So many at once are more than providers send on a common day.
const PRESSING: usize = 8;
/// All who wait for one statement are answered with it, and send their next one a moment later.
const LULL: Duration = Duration::from_millis(250);

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Arrivals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stored: Notify,
    on_their_way: AtomicUsize,
    since: Instant,
    /// Milliseconds after `since`.
    pressing_until: AtomicU64,
}

impl Default for Arrivals {
    fn default() -> Self {
        let (stored, on_their_way, pressing_until) = (Notify::new(), AtomicUsize::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { stored, on_their_way, since: Instant::now(), pressing_until }))
    }
}

/// A notification that is being stored; no longer once this is dropped.
pub(super) struct OnItsWay(Arrivals);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.0.on_their_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Arrivals {
    pub(super) fn on_its_way(&self) -> OnItsWay {
        self.arrived(Instant::now())
    }

    fn arrived(&self, now: Instant) -> OnItsWay {
        if self.0.on_their_way.fetch_add(1, Ordering::Relaxed) >= PRESSING {
            self.0.pressing_until.fetch_max(self.millis(now + LULL), Ordering::Relaxed);
        }
        OnItsWay(self.clone())
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0.since).as_millis()).unwrap_or(u64::MAX)
    }

    /// There is something to be worked off.
    pub fn are_stored(&self) {
        self.0.stored.notify_one();
    }

    /// Until there is something to be worked off.
    pub async fn stored(&self) {
        self.0.stored.notified().await;
    }

    /// Providers wait for their acknowledgements: what is stored can wait.
    #[must_use]
    pub fn are_pressing(&self) -> bool {
        self.were_pressing(Instant::now())
    }

    fn were_pressing(&self, now: Instant) -> bool {
        self.millis(now) < self.0.pressing_until.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_press_until_there_are_few_for_a_while() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        let mut all: Vec<_> = (0..PRESSING).map(|_| arrivals.arrived(now)).collect();
        assert!(!arrivals.were_pressing(now));
        all.push(arrivals.clone().arrived(now));
        assert!(arrivals.were_pressing(now));
        all.clear();
        drop(arrivals.arrived(now + LULL));
        assert!(arrivals.were_pressing(now + LULL / 2));
        assert!(!arrivals.were_pressing(now + LULL));
    }
}
