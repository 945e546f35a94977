//! When the next request is due. All callers of a thread share one pace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Load;

pub(super) struct Pace {
    pub(super) begin: Instant,
    pub(super) end: Instant,
    per_second: Option<f64>,
    /// Requests that somebody has taken on, in the open loop.
    taken: AtomicU64,
}

impl Pace {
    pub(super) fn starting_now(load: &Load) -> Self {
        let begin = Instant::now();
        Self { begin, end: begin + load.duration, per_second: load.per_second, taken: AtomicU64::new(0) }
    }

    /// Waits for the next request, and says since when it is due; `None` at the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        let due = self.due()?;
        if self.per_second.is_some() {
            tokio::time::sleep_until(due).await;
        }
        Some(due)
    }

    /// In the open loop a caller that comes late finds requests that have been due for a while: they are not forgiven.
    fn due(&self) -> Option<Instant> {
        let due = match self.per_second {
            None => Instant::now(),
            Some(per_second) => {
                let number = self.taken.fetch_add(1, Ordering::Relaxed);
                self.begin + Duration::from_secs_f64(number as f64 / per_second)
            }
        };
        (due < self.end).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    fn pace(duration: Duration, per_second: Option<f64>) -> Pace {
        Pace::starting_now(&Load { connections: 1, duration, per_second, threads: 1 })
    }

    #[test]
    fn an_open_loop_offers_its_rate_whoever_comes_when() {
        let pace = pace(TENTH * 10, Some(10.0));
        let due: Vec<_> = std::iter::from_fn(|| pace.due()).collect();
        assert_eq!(due, (0..10).map(|n| pace.begin + TENTH * n).collect::<Vec<_>>());
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn a_closed_loop_asks_at_once_until_its_end() {
        let hour = pace(TENTH * 36_000, None);
        let before = Instant::now();
        assert!(hour.due().is_some_and(|due| due >= before && due <= Instant::now()));
        assert_eq!(pace(Duration::ZERO, None).due(), None);
    }
}
