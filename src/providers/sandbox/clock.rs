//! Moving the instance's clock forward, so that a quota's next day and a package's end can be seen today.
//!
//! How far it is ahead lives in the database: a restart keeps it, and every process of the instance follows it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How late another process may notice.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Moves the clock to `time`, unless it is already later than that, and says what time it is.
///
/// # Errors
/// When the database cannot be written.
pub async fn move_to(pool: &PgPool, clock: &Clock, time: DateTime<Utc>) -> Result<DateTime<Utc>, sqlx::Error> {
    let ahead = time.signed_duration_since(Utc::now()).max(TimeDelta::zero());
    let micros = ahead.num_microseconds().unwrap_or_default();
    let stored: i64 = sqlx::query_scalar(
        "INSERT INTO sandbox.clock (ahead_micros) VALUES ($1)
         ON CONFLICT (only_one) DO UPDATE SET ahead_micros = greatest(clock.ahead_micros, excluded.ahead_micros)
         RETURNING ahead_micros",
    )
    .bind(micros)
    .fetch_one(pool)
    .await?;
    clock.set_ahead(TimeDelta::microseconds(stored));
    Ok(clock.now())
}

/// Takes over how far the instance's clock is ahead.
///
/// # Errors
/// When the database cannot be read.
pub async fn follow_once(pool: &PgPool, clock: &Clock) -> Result<(), sqlx::Error> {
    let stored: Option<i64> = sqlx::query_scalar("SELECT ahead_micros FROM sandbox.clock").fetch_optional(pool).await?;
    clock.set_ahead(TimeDelta::microseconds(stored.unwrap_or_default()));
    Ok(())
}

/// Keeps up with moves that other processes make.
pub async fn follow(pool: PgPool, clock: Clock, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some(Err(error)) = shutdown.run_until_cancelled(follow_once(&pool, &clock)).await {
            tracing::warn!(%error, "the sandbox's clock cannot be read");
        }
    }
}
