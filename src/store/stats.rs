//! Counters of the store, for metrics and benchmarks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the store has done since it was opened.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units of work recorded.
    pub units: AtomicU64,
    pub events: AtomicU64,
    /// Appends sent; each commits many partitions.
    pub appends: AtomicU64,
    /// Partitions committed.
    pub commits: AtomicU64,
    /// Partitions that lost a race to another writer.
    pub conflicts: AtomicU64,
    /// Batches that took their locks before deciding.
    pub locked_batches: AtomicU64,
    /// Commits whose outcome had to be settled by a fence.
    pub fences: AtomicU64,
    /// Queries for aggregates that were not in memory; each brings all that a batch asks for.
    pub loads: AtomicU64,
    /// Repeated commands answered from the log.
    pub replays: AtomicU64,
    /// Units refused because too much was waiting.
    pub busy: AtomicU64,
}

impl Stats {
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// The counters by name.
    #[must_use]
    pub fn read(&self) -> [(&'static str, u64); 10] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("units", read(&self.units)),
            ("events", read(&self.events)),
            ("appends", read(&self.appends)),
            ("commits", read(&self.commits)),
            ("conflicts", read(&self.conflicts)),
            ("locked_batches", read(&self.locked_batches)),
            ("fences", read(&self.fences)),
            ("loads", read(&self.loads)),
            ("replays", read(&self.replays)),
            ("busy", read(&self.busy)),
        ]
    }
}
