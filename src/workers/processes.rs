//! Keeps the process managers going: reads what is new, and wakes the job runner for what they ask.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Trouble, within};
use crate::processes::{Stuck, advance};

/// Of each partition, in one step: few enough that a step over all of them ends well within its bound.
const EVENTS_MAX: i64 = 20;
const POLL: Duration = Duration::from_millis(200);
/// After trouble, so that a database that is down is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// Runs until `shutdown`.
pub async fn run(pool: PgPool, wake_jobs: Arc<Notify>, shutdown: CancellationToken) {
    const CANNOT: &str = "the process managers cannot go on";
    let mut trouble = Trouble::default();
    let mut stuck = Vec::new();
    gauge!("ledger_processes_stuck_partitions").set(0.0);
    while !shutdown.is_cancelled() {
        // A shutdown waits for the step, within its bound.
        let pause = match within(advance(&pool, EVENTS_MAX)).await {
            Ok(advanced) => {
                trouble.is_over(CANNOT);
                tell(&mut stuck, advanced.stuck);
                if advanced.events > 0 {
                    wake_jobs.notify_one();
                    continue;
                }
                POLL
            }
            Err(error) => {
                trouble.is(CANNOT, &error);
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A partition that stands still is said once, and shown for as long as it does.
fn tell(known: &mut Vec<Stuck>, now: Vec<Stuck>) {
    if *known == now {
        return;
    }
    for new in now.iter().filter(|stuck| !known.contains(stuck)) {
        tracing::error!(
            log_part = new.log_part,
            position = new.position,
            why = new.why,
            "an event cannot be read: the process managers leave its partition out"
        );
    }
    gauge!("ledger_processes_stuck_partitions").set(u32::try_from(now.len()).unwrap_or(u32::MAX));
    *known = now;
}
