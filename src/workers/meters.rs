//! What has to be asked for before it can be shown to Prometheus.

use std::time::Duration;

use metrics::{counter, gauge};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::within;
use crate::store::Store;
use crate::{jobs, processes};

const EVERY: Duration = Duration::from_secs(5);

/// Shows the store's counters as `ledger_store_<name>_total`, until `stop`.
pub async fn store(store: Store, stop: CancellationToken) {
    while wait(&stop).await {
        for (name, count) in store.stats().read() {
            counter!(format!("ledger_store_{name}_total")).absolute(count);
        }
    }
}

/// Shows how many jobs wait, run and are dead, by kind, as `ledger_jobs`, until `stop`.
pub async fn jobs(pool: PgPool, stop: CancellationToken) {
    let mut shown: Vec<(String, String)> = Vec::new();
    while wait(&stop).await {
        let counts = match within(jobs::counts(&pool)).await {
            Ok(counts) => counts,
            Err(error) => {
                tracing::debug!(%error, "jobs cannot be counted");
                continue;
            }
        };
        // What is no longer there is zero, and not what it was.
        for (kind, state) in shown.drain(..) {
            gauge!("ledger_jobs", "kind" => kind, "state" => state).set(0.0);
        }
        for count in counts {
            let jobs = u32::try_from(count.jobs).unwrap_or(u32::MAX);
            gauge!("ledger_jobs", "kind" => count.kind.clone(), "state" => count.state.clone()).set(jobs);
            shown.push((count.kind, count.state));
        }
    }
}

/// Shows how many events the process managers have still to answer, as `ledger_processes_lag_events`, until `stop`.
pub async fn processes(pool: PgPool, stop: CancellationToken) {
    while wait(&stop).await {
        match within(processes::lag(&pool)).await {
            Ok(events) => gauge!("ledger_processes_lag_events").set(u32::try_from(events).unwrap_or(u32::MAX)),
            Err(error) => tracing::debug!(%error, "what waits for the process managers cannot be counted"),
        }
    }
}

async fn wait(stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some()
}
