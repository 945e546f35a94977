//! Keeps the process managers going: reads what is new, and wakes the job runner for what they ask.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::processes::advance;

/// Of each partition, in one step.
const EVENTS_MAX: i64 = 100;
const POLL: Duration = Duration::from_millis(200);
/// After trouble, so that a database that is down is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// Runs until `shutdown`. `news` may be notified when something was committed; polling is the truth.
pub async fn run(pool: PgPool, news: Arc<Notify>, wake_jobs: Arc<Notify>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        // A step is never cut off in the middle: shutdown waits for it.
        let pause = match advance(&pool, EVENTS_MAX).await {
            Ok(advanced) if advanced.events > 0 => {
                wake_jobs.notify_one();
                continue;
            }
            Ok(_) => POLL,
            Err(error) => {
                tracing::warn!(%error, "the process managers cannot go on");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = news.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
