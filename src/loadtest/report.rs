//! What was counted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::Load;

/// A minute; nothing here waits longer.
const LATENCY_US_MAX: u64 = 60_000_000;
/// Refusals that a ledger under load may well give: not enough, too many requests, busy.
const REFUSALS: [u16; 3] = [402, 429, 503];

/// Counted by one caller, or by all of them together.
pub(super) struct Counts {
    /// Of answers that recorded a charge, in microseconds.
    latency: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    /// Requests that a caller took on.
    pub(super) begun: u64,
    /// Sent, and the connection ended without an answer.
    pub(super) lost: u64,
    /// Still waiting when time was up.
    pub(super) unanswered: u64,
    /// Connections that could not be made.
    pub(super) not_connected: u64,
    pub(super) reconnects: u64,
    /// From the beginning to the last answer.
    took: Duration,
}

impl Counts {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
            statuses: BTreeMap::new(),
            begun: 0,
            lost: 0,
            unanswered: 0,
            not_connected: 0,
            reconnects: 0,
            took: Duration::ZERO,
        })
    }

    pub(super) fn answered(&mut self, status: u16, micros: u64, begin: Instant) {
        *self.statuses.entry(status).or_default() += 1;
        if is_charge(status) {
            self.latency.saturating_record(micros);
        }
        self.took = begin.elapsed();
    }

    pub(super) fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.latency.add(other.latency)?;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.begun += other.begun;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.not_connected += other.not_connected;
        self.reconnects += other.reconnects;
        self.took = self.took.max(other.took);
        Ok(())
    }

    pub(super) fn report(self, load: &Load) -> Report {
        let seconds = self.took.max(load.duration).as_secs_f64();
        let charges = self.latency.len();
        let due = load.per_second.map_or(0, |rate| (rate * load.duration.as_secs_f64()) as u64);
        let at = |quantile| self.latency.value_at_quantile(quantile);
        Report {
            connections: load.connections,
            offered_per_second: load.per_second,
            seconds,
            charges,
            per_second: charges as f64 / seconds,
            latency: (charges > 0).then(|| Percentiles {
                p50_us: at(0.5),
                p99_us: at(0.99),
                p999_us: at(0.999),
                max_us: self.latency.max(),
            }),
            statuses: self.statuses,
            lost: self.lost,
            unanswered: self.unanswered,
            not_sent: due.saturating_sub(self.begun),
            not_connected: self.not_connected,
            reconnects: self.reconnects,
        }
    }
}

fn is_charge(status: u16) -> bool {
    (200..300).contains(&status)
}

/// How a load went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub connections: usize,
    /// Open loop: what was offered.
    pub offered_per_second: Option<f64>,
    pub seconds: f64,
    /// Answers that recorded a charge.
    pub charges: u64,
    pub per_second: f64,
    /// Of those; `None` where there is none.
    pub latency: Option<Percentiles>,
    /// Answers by status, charges included.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests whose connection ended before their answer: they may have been recorded.
    pub lost: u64,
    /// Requests that had no answer when time was up.
    pub unanswered: u64,
    /// Open loop: requests that were due, and no connection was free for them in time.
    pub not_sent: u64,
    /// Attempts to connect that failed.
    pub not_connected: u64,
    /// Connections that had to be made anew.
    pub reconnects: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Report {
    /// Something was charged, every request was answered, and no answer was one that a sound server does not give.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let expected = |status: &u16| is_charge(*status) || REFUSALS.contains(status);
        self.charges > 0 && self.lost + self.unanswered + self.not_connected == 0 && self.statuses.keys().all(expected)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, seconds, charges, per_second, .. } = self;
        write!(f, "{per_second:.0} charges/s: {charges} in {seconds:.1} s over {connections} connections")?;
        match self.offered_per_second {
            Some(rate) => writeln!(f, ", {rate:.0}/s offered")?,
            None => writeln!(f)?,
        }
        if let Some(latency) = self.latency {
            let ms = |us: u64| us as f64 / 1000.0;
            let Percentiles { p50_us, p99_us, p999_us, max_us } = latency;
            let (p50, p99, p999, max) = (ms(p50_us), ms(p99_us), ms(p999_us), ms(max_us));
            writeln!(f, "latency in ms: p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2}, max {max:.2}")?;
        }
        for (status, count) in self.statuses.iter().filter(|(status, _)| !is_charge(**status)) {
            writeln!(f, "answered {status}: {count}")?;
        }
        for (count, what) in [
            (self.lost, "requests lost: their connection ended before the answer"),
            (self.unanswered, "requests unanswered when time was up"),
            (self.not_sent, "requests due but never sent: no connection was free"),
            (self.not_connected, "attempts to connect failed"),
            (self.reconnects, "connections made anew"),
        ] {
            if count > 0 {
                writeln!(f, "{count} {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { connections: 2, duration: Duration::from_secs(10), per_second: Some(1.0), threads: 1 };

    fn counts(statuses: &[u16]) -> Counts {
        let mut counts = Counts::new().unwrap();
        for status in statuses {
            counts.begun += 1;
            counts.answered(*status, u64::from(*status), Instant::now());
        }
        counts
    }

    #[test]
    fn only_recorded_charges_are_charges_and_have_a_latency() {
        let report = counts(&[200, 201, 402, 503, 503]).report(&LOAD);
        assert_eq!((report.charges, report.per_second), (2, 0.2));
        assert_eq!(report.latency.unwrap().max_us, 201);
        assert_eq!(report.statuses, BTreeMap::from([(200, 1), (201, 1), (402, 1), (503, 2)]));
        assert!(report.is_sound());
    }

    #[test]
    fn what_was_due_and_not_sent_is_said() {
        let report = counts(&[200; 7]).report(&LOAD);
        assert_eq!(report.not_sent, 3);
        assert!(report.to_string().contains("3 requests due but never sent"));
    }

    #[test]
    fn a_load_is_unsound_where_anything_else_came_back() {
        assert!(!counts(&[]).report(&LOAD).is_sound());
        for strange in [302, 400, 401, 404, 422, 500, 502] {
            assert!(!counts(&[200, strange]).report(&LOAD).is_sound(), "{strange}");
        }
        for spoil in [
            |counts: &mut Counts| counts.lost += 1,
            |counts: &mut Counts| counts.unanswered += 1,
            |counts: &mut Counts| counts.not_connected += 1,
        ] {
            let mut counts = counts(&[200]);
            spoil(&mut counts);
            assert!(!counts.report(&LOAD).is_sound());
        }
    }

    #[test]
    fn what_callers_counted_adds_up() {
        let mut all = counts(&[200]);
        all.lost = 1;
        all.add(Counts { lost: 2, reconnects: 3, ..counts(&[200, 402]) }).unwrap();
        let report = all.report(&LOAD);
        assert_eq!((report.charges, report.lost, report.reconnects), (2, 3, 3));
        assert_eq!(report.statuses, BTreeMap::from([(200, 2), (402, 1)]));
    }
}
