//! How often somebody may ask where the limit must hold over all processes: counted in the database, in windows of a fixed
//! length that begin with the first request. What only protects one process is counted in `rate_limit.rs`.

use std::time::Duration;

use aggregates::AccountKey;
use sqlx::PgPool;

use super::problem::{Problem, Reason};

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What is counted under this name is counted together.
    pub purpose: &'static str,
    pub requests: u32,
    pub length: Duration,
}

impl Window {
    /// # Errors
    /// When this was one too many, or the database cannot count.
    pub async fn check(&self, pool: &PgPool, asker: AccountKey) -> Result<(), Problem> {
        let most = i32::try_from(self.requests).unwrap_or(i32::MAX - 1);
        let (requests, wait): (i32, i32) = sqlx::query_as(
            "INSERT INTO edge.windows AS w (purpose, asker, began_at, requests) VALUES ($1, $2, clock_timestamp(), 1)
             ON CONFLICT (purpose, asker) DO UPDATE
                SET requests = CASE WHEN w.began_at + $3 * interval '1 second' <= clock_timestamp() THEN 1
                                    ELSE least(w.requests, $4) + 1 END,
                    began_at = CASE WHEN w.began_at + $3 * interval '1 second' <= clock_timestamp() THEN clock_timestamp()
                                    ELSE w.began_at END
             RETURNING requests,
                       ceil(extract(epoch FROM began_at + $3 * interval '1 second' - clock_timestamp()))::int4",
        )
        .bind(self.purpose)
        .bind(asker.uuid())
        .bind(self.length.as_secs_f64())
        .bind(most)
        .fetch_one(pool)
        .await?;
        if requests <= most {
            return Ok(());
        }
        let seconds = u32::try_from(wait).unwrap_or_default().max(1);
        let detail = format!("too many requests; try again in {seconds} s");
        Err(Problem::new(Reason::TooManyRequests, detail).retry_after(seconds))
    }
}

/// Forgets who has been quiet for an hour.
///
/// # Errors
/// When the database cannot be asked.
pub async fn tidy(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query(
        "DELETE FROM edge.windows WHERE (purpose, asker) IN (
             SELECT purpose, asker FROM edge.windows WHERE began_at < clock_timestamp() - interval '1 hour'
              LIMIT 10000 FOR UPDATE SKIP LOCKED)",
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
