//! When a failed job is tried again: three times quickly, then ever more slowly, until a day has passed.

use std::time::Duration;

use chrono::TimeDelta;

const QUICK: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
const FIRST_SLOW: Duration = Duration::from_secs(60);
const SLOWEST: Duration = Duration::from_secs(3_600);
/// Counted from the first attempt of a round.
const PERSISTENCE: TimeDelta = TimeDelta::days(1);
/// A quarter up or down, so that what failed together does not come back together.
const JITTER_PERCENT: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    After(Duration),
    Dead,
}

/// What follows the `tries`-th failure of a round that began `trying_for` ago. `chance` is any number: the dice.
#[must_use]
pub fn after_failure(tries: u32, trying_for: TimeDelta, chance: u32) -> Next {
    if trying_for >= PERSISTENCE {
        return Next::Dead;
    }
    Next::After(jittered(pause(tries), chance))
}

fn pause(tries: u32) -> Duration {
    let failures = usize::try_from(tries.max(1)).unwrap_or(usize::MAX);
    if let Some(quick) = QUICK.get(failures - 1) {
        return *quick;
    }
    let doublings = u32::try_from(failures - QUICK.len() - 1).unwrap_or(u32::MAX).min(16);
    FIRST_SLOW.saturating_mul(1 << doublings).min(SLOWEST)
}

fn jittered(pause: Duration, chance: u32) -> Duration {
    let percent = 100 - JITTER_PERCENT + chance % (2 * JITTER_PERCENT + 1);
    pause * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The middle of the dice: no jitter.
    const EVEN: u32 = JITTER_PERCENT;

    fn seconds(tries: u32) -> u64 {
        match after_failure(tries, TimeDelta::zero(), EVEN) {
            Next::After(pause) => pause.as_secs(),
            Next::Dead => panic!("dead at once"),
        }
    }

    #[test]
    fn three_quick_tries_then_ever_slower_up_to_an_hour() {
        let pauses: Vec<u64> = (1..=12).map(seconds).collect();
        assert_eq!(pauses, [1, 5, 15, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(seconds(u32::MAX), 3_600);
    }

    #[test]
    fn nobody_tries_longer_than_a_day() {
        let nearly = PERSISTENCE - TimeDelta::seconds(1);
        assert!(matches!(after_failure(30, nearly, EVEN), Next::After(_)));
        assert_eq!(after_failure(30, PERSISTENCE, EVEN), Next::Dead);
        assert_eq!(after_failure(1, PERSISTENCE, EVEN), Next::Dead);
    }

    #[test]
    fn a_day_of_failures_is_a_bounded_number_of_attempts() {
        let mut trying_for = TimeDelta::zero();
        let attempts = (1..)
            .take_while(|tries| match after_failure(*tries, trying_for, EVEN) {
                Next::After(pause) => {
                    trying_for += TimeDelta::from_std(pause).unwrap();
                    true
                }
                Next::Dead => false,
            })
            .count();
        assert!((25..40).contains(&attempts), "{attempts}");
    }

    #[test]
    fn jitter_moves_a_pause_by_at_most_a_quarter() {
        let pauses: Vec<Duration> = (0..=2 * JITTER_PERCENT).map(|chance| jittered(SLOWEST, chance)).collect();
        assert_eq!(pauses.first(), Some(&Duration::from_secs(2_700)));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(4_500)));
        assert!(pauses.is_sorted());
    }
}
