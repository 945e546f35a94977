//! What must happen every hour, whoever does it: jobs that were done long ago are removed, and so is what is known of
//! who missed keys, or asked often, long ago, and what providers said of people who were erased, or of nobody.
//!
//! Orders and packages that end have timers of their own (`processes/`), one job each.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::within;
use crate::web::windows;
use crate::{inbox, jobs, lockouts};

const EVERY: Duration = Duration::from_secs(3_600);
/// How long a done job can still be looked at.
const DONE_KEPT: TimeDelta = TimeDelta::days(30);
const PRUNED_AT_ONCE: i64 = 1_000;

/// Runs until `shutdown`. Two processes that prune at once pass over each other's rows.
pub async fn run(pool: PgPool, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(error) = prune(&pool, &shutdown).await {
            tracing::warn!(%error, "old jobs cannot be removed");
        }
        if let Err(error) = forget_misses(&pool, &shutdown).await {
            tracing::warn!(%error, "old misses cannot be removed");
        }
        if let Err(error) = within(inbox::prune(&pool)).await {
            tracing::warn!(%error, "old refused notifications cannot be removed");
        }
        if let Err(error) = forget_erased(&pool, &shutdown).await {
            tracing::warn!(%error, "notifications of customers who were erased cannot be removed");
        }
        if let Err(error) = forget_nobodys(&pool, &shutdown).await {
            tracing::warn!(%error, "old notifications of nobody cannot be removed");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn prune(pool: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
    let before = Utc::now() - DONE_KEPT;
    while !shutdown.is_cancelled() && within(jobs::prune_done(pool, before, PRUNED_AT_ONCE)).await? > 0 {}
    while !shutdown.is_cancelled() && within(windows::tidy(pool)).await? > 0 {}
    Ok(())
}

async fn forget_erased(pool: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
    while !shutdown.is_cancelled() && within(inbox::forget_erased(pool, PRUNED_AT_ONCE)).await? > 0 {}
    Ok(())
}

async fn forget_nobodys(pool: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
    while !shutdown.is_cancelled() && within(inbox::forget_nobodys(pool, PRUNED_AT_ONCE)).await? > 0 {}
    Ok(())
}

async fn forget_misses(pool: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
    while !shutdown.is_cancelled() && within(lockouts::prune(pool, PRUNED_AT_ONCE)).await? > 0 {}
    Ok(())
}
