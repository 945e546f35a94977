//! The load generator against our store.
//!
//! Closed loop: every caller asks again as soon as it has its answer; that measures throughput. Open loop: requests are
//! due at a fixed rate, and a request's latency counts from when it was due, not from when a caller got round to it;
//! that measures latency without omitting what a stall held up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::report::Latency;
use super::workload::Workload;
use crate::store::{ExecuteError, Store, UnitOfWork};

/// What a run measured.
#[derive(Debug)]
pub struct Measured {
    pub charges: u64,
    pub per_second: f64,
    pub latency: Latency,
}

/// How requests arrive.
#[derive(Debug, Clone, Copy)]
pub enum Arrivals {
    /// As fast as the answers come back.
    Closed,
    /// So many a second, however long the answers take.
    Open { per_second: f64 },
}

/// Charges for `duration` from `callers` at once.
///
/// # Errors
/// When a charge fails.
pub async fn charge(
    store: &Store,
    workload: &Workload,
    callers: usize,
    duration: Duration,
    arrivals: Arrivals,
) -> anyhow::Result<Measured> {
    let begin = Instant::now();
    let end = begin + duration;
    let due = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (store, workload, due) = (store.clone(), workload.clone(), due.clone());
        tasks.spawn(async move {
            let mut picker = workload.picker(caller as u64)?;
            let mut histogram = new_histogram()?;
            loop {
                let start = match arrivals {
                    Arrivals::Closed => Instant::now(),
                    Arrivals::Open { per_second } => {
                        let n = due.fetch_add(1, Ordering::Relaxed);
                        let at = begin + Duration::from_secs_f64(n as f64 / per_second);
                        tokio::time::sleep_until(at).await;
                        at
                    }
                };
                if start >= end {
                    return anyhow::Ok(histogram);
                }
                let unit = workload.charge(picker.pick(), picker.command_id())?;
                one(&store, unit).await?;
                histogram.saturating_record(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        });
    }
    let mut all = new_histogram()?;
    while let Some(done) = tasks.join_next().await {
        all.add(done.context("a caller")??)?;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let open_loop_rate = match arrivals {
        Arrivals::Closed => None,
        Arrivals::Open { per_second } => Some(per_second),
    };
    Ok(Measured {
        charges: all.len(),
        per_second: all.len() as f64 / elapsed,
        latency: Latency {
            p50_us: all.value_at_quantile(0.5),
            p99_us: all.value_at_quantile(0.99),
            p999_us: all.value_at_quantile(0.999),
            open_loop_rate,
        },
    })
}

/// One charge, to its end: who hears "busy" asks again.
async fn one(store: &Store, unit: UnitOfWork) -> anyhow::Result<()> {
    loop {
        match store.execute(unit.clone()).await {
            Ok(_) => return Ok(()),
            Err(ExecuteError::Busy) => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
}

fn new_histogram() -> anyhow::Result<Histogram<u64>> {
    /// A minute in microseconds.
    const HIGHEST: u64 = 60_000_000;
    Ok(Histogram::new_with_bounds(1, HIGHEST, 3)?)
}
